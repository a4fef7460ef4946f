//! Forms: what of a contact's id is not the contact, as the section `[identity]` names it (rule 16).
//!
//! In: an id as it came. Out: the id in its form. Forms go in the order of [`FORMS`], whatever the order in the file. An id of which
//! nothing would be left stays as it came: no two people become one for lack of letters.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::document::Section;
use crate::base::alike::nearest;
use crate::base::error::Result;

/// The forms of a pipeline, as places in the list of forms that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Forms(Vec<usize>);

struct Form {
    name: &'static str,
    /// The id in this form; none where it is in it already.
    apply: fn(&str) -> Option<String>,
}

/// All forms there are, in the order in which they are applied.
static FORMS: [Form; 6] = [
    Form { name: "node", apply: without_node },
    Form { name: "device", apply: without_device },
    Form { name: "digits", apply: digits_alone },
    Form { name: "br-ninth-digit", apply: without_ninth_digit },
    Form { name: "mx-mobile-1", apply: |id| without_mobile_digit(id, "521") },
    Form { name: "ar-mobile-9", apply: |id| without_mobile_digit(id, "549") },
];

impl Forms {
    pub(super) fn read(section: Option<Section<'_>>) -> Result<Forms> {
        let Some(section) = section else { return Ok(Forms::default()) };
        let named = section.texts("forms")?;
        section.finish()?;
        for name in &named {
            if FORMS.iter().all(|form| form.name != name.value) {
                let near = nearest(FORMS.iter().map(|form| form.name), &name.value);
                let all = FORMS.iter().map(|form| form.name).collect::<Vec<_>>().join(", ");
                let error = name.error(format!("{:?} is no form of an id", name.value));
                return Err(error.mend(
                    near.map_or(format!("there are: {all}"), |near| format!("did you mean {near:?}? (there are: {all})")),
                ));
            }
        }
        let is_named = |place: &usize| named.iter().any(|name| name.value == FORMS[*place].name);
        Ok(Forms((0..FORMS.len()).filter(is_named).collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().map(|place| FORMS[*place].name)
    }

    /// All forms there are.
    pub(crate) fn all() -> Forms {
        Forms((0..FORMS.len()).collect())
    }

    /// These forms and those.
    pub(crate) fn and(&self, others: &Forms) -> Forms {
        let both: BTreeSet<usize> = self.0.iter().chain(&others.0).copied().collect();
        Forms(both.into_iter().collect())
    }

    /// The fewest forms that would have to be named beside these for two ids to be one; none where all of them would not do.
    pub(crate) fn lacking_for(&self, one: &str, other: &str) -> Option<Forms> {
        let unnamed: Vec<usize> = (0..FORMS.len()).filter(|place| !self.0.contains(place)).collect();
        let mut choices: Vec<u32> = (0..1 << unnamed.len()).collect();
        choices.sort_by_key(|choice: &u32| choice.count_ones());
        let chosen = |choice: u32| {
            Forms(unnamed.iter().enumerate().filter(|(bit, _)| choice >> bit & 1 == 1).map(|(_, place)| *place).collect())
        };
        let would_do = |lacking: &Forms| {
            let forms = self.and(lacking);
            forms.of(one) == forms.of(other)
        };
        choices.into_iter().map(chosen).find(would_do)
    }

    /// The id in its form.
    pub fn of<'i>(&self, id: &'i str) -> Cow<'i, str> {
        let mut formed = Cow::Borrowed(id);
        for form in &self.0 {
            if let Some(other) = (FORMS[*form].apply)(&formed) {
                formed = Cow::Owned(other);
            }
        }
        formed
    }
}

/// What stands before the `@`, and the rest.
fn parted(id: &str) -> (&str, &str) {
    id.split_at(id.bytes().position(|byte| byte == b'@').unwrap_or(id.len()))
}

fn without_node(id: &str) -> Option<String> {
    let before = &id[..id.bytes().position(|byte| byte == b'/')?];
    (!before.trim().is_empty()).then(|| before.to_string())
}

fn without_device(id: &str) -> Option<String> {
    if !id.as_bytes().contains(&b':') {
        return None;
    }
    let (name, domain) = parted(id);
    let (person, device) = name.rsplit_once(':').filter(|_| !domain.is_empty())?;
    (!person.trim().is_empty() && is_digits(device)).then(|| format!("{person}{domain}"))
}

fn digits_alone(id: &str) -> Option<String> {
    let (name, domain) = parted(id);
    // Most ids are in this form.
    if is_digits(name) {
        return None;
    }
    let is_between = |letter: char| letter.is_whitespace() || matches!(letter, '+' | '-' | '(' | ')');
    let digits: String = name.chars().filter(|letter| !is_between(*letter)).collect();
    (is_digits(&digits) && digits.len() < name.len()).then(|| format!("{digits}{domain}"))
}

fn without_ninth_digit(id: &str) -> Option<String> {
    if !id.starts_with("55") {
        return None;
    }
    let (name, domain) = parted(id);
    let is_one = name.len() == 13 && is_digits(name);
    let (area, number) = is_one.then(|| (&name[..4], &name[4..]))?;
    let rest = number.strip_prefix('9').filter(|rest| rest.starts_with(['6', '7', '8', '9']))?;
    Some(format!("{area}{rest}{domain}"))
}

/// A country's two digits, and the digit that stands before the ten of a mobile number.
fn without_mobile_digit(id: &str, prefix: &str) -> Option<String> {
    let (number, domain) = parted(id.strip_prefix(prefix)?);
    (number.len() == 10 && is_digits(number)).then(|| format!("{}{number}{domain}", &prefix[..2]))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(names: &[&str]) -> Forms {
        Forms((0..FORMS.len()).filter(|place| names.contains(&FORMS[*place].name)).collect())
    }

    #[test]
    fn each_form_takes_what_its_name_says_and_no_more() {
        for (form, id, formed) in [
            ("node", "5511@wa.gw.msging.net/phone#1", "5511@wa.gw.msging.net"),
            ("node", "a/b/c", "a"),
            ("node", "/b", "/b"),
            ("device", "5511:12@s.whatsapp.net", "5511@s.whatsapp.net"),
            ("device", "5511:@s.whatsapp.net", "5511:@s.whatsapp.net"),
            ("device", "5511:a@s.whatsapp.net", "5511:a@s.whatsapp.net"),
            ("device", "5511:12", "5511:12"),
            ("device", ":12@s", ":12@s"),
            ("digits", "+55 (11) 98765-4321", "5511987654321"),
            ("digits", "+55 11\u{a0}98765-4321@x-y", "5511987654321@x-y"),
            ("digits", "ana-maria (2)", "ana-maria (2)"),
            ("digits", "+-", "+-"),
            ("br-ninth-digit", "5511987654321", "551187654321"),
            ("br-ninth-digit", "5511987654321@wa.gw.msging.net", "551187654321@wa.gw.msging.net"),
            ("br-ninth-digit", "5511957654321", "5511957654321"),
            ("br-ninth-digit", "551187654321", "551187654321"),
            ("br-ninth-digit", "55119876543210", "55119876543210"),
            ("br-ninth-digit", "+5511987654321", "+5511987654321"),
            ("mx-mobile-1", "5215512345678", "525512345678"),
            ("mx-mobile-1", "525512345678", "525512345678"),
            ("ar-mobile-9", "5491123456789", "541123456789"),
            ("ar-mobile-9", "54911234567890", "54911234567890"),
        ] {
            assert_eq!(forms(&[form]).of(id), formed, "{form}");
        }
    }

    #[test]
    fn the_fewest_forms_that_make_two_ids_one_are_found() {
        let lacking = |named: &[&str], one: &str, other: &str| {
            forms(named).lacking_for(one, other).map(|lacking| lacking.names().collect::<Vec<_>>())
        };
        let (with, without) = ("5531988887777", "553188887777");
        assert_eq!(lacking(&[], with, without), Some(vec!["br-ninth-digit"]));
        assert_eq!(lacking(&["digits"], "+55 31 98888-7777", without), Some(vec!["br-ninth-digit"]));
        assert_eq!(lacking(&["br-ninth-digit"], "+55 31 98888-7777", without), Some(vec!["digits"]));
        assert_eq!(lacking(&[], "+55 31 98888-7777@wa/1", "553188887777@wa"), Some(vec!["node", "digits", "br-ninth-digit"]));
        assert_eq!(lacking(&["br-ninth-digit"], with, without), Some(vec![]));
        assert_eq!(lacking(&[], with, "553188887778"), None);
    }

    #[test]
    fn forms_go_in_one_order() {
        let all = forms(&["br-ninth-digit", "digits", "device", "node"]);
        assert_eq!(all.of("+55 11 98765-4321:3@x/y"), "+55 11 98765-4321@x".replace("+55 11 98765-4321", "551187654321"));
        assert_eq!(all.names().collect::<Vec<_>>(), ["node", "device", "digits", "br-ninth-digit"]);
        assert!(matches!(all.of("ana"), Cow::Borrowed("ana")));
    }
}
