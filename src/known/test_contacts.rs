//! Test contacts that no row has: where a contact that is like one in another form is there, its rows count (rule 25), and it is said
//! with the line that would leave them out.
//!
//! In: rows that are at hand. Out: a sentence for each test contact that none of them has, with an id that may be meant.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::said::Said;
use crate::base::schema::Raw;
use crate::config::{Forms, Settings};
use crate::extract::identity::Identities;
use crate::known::other_forms::{Contacts, shortened};

/// What there is to say of test contacts. `are_all` where the rows are all that could count: then those are named, too, that nothing is
/// like.
pub(crate) fn warnings(settings: &Settings, identities: &Identities, rows: &[Contacts<'_>], are_all: bool) -> Vec<Said> {
    if !settings.has_test_contacts() {
        return Vec::new();
    }
    let (bots, tests, all) = (settings.bot_codes(), settings.test_ids(), Forms::all());
    let mut met: Vec<BTreeSet<String>> = vec![BTreeSet::new(); tests.len()];
    // By the id in every form there is, the smallest of the contacts that count.
    let mut alike: Vec<BTreeMap<String, String>> = vec![BTreeMap::new(); tests.len()];
    for (bot, of_bot) in settings.bots.iter().enumerate() {
        alike[bot] = of_bot.test_contacts.iter().map(|test| (all.of(test).into_owned(), String::new())).collect();
    }
    let mut looked_at = 0_u64;
    let mut look = |bot: usize, as_it_came: &str| {
        looked_at += 1;
        if tests[bot].is_empty() {
            return;
        }
        let id = settings.forms.of(as_it_came);
        let ids = [as_it_came, &id, identities.resolve(bot, &id)];
        let named: Vec<&str> = ids.into_iter().filter(|known| tests[bot].contains(*known)).collect();
        if named.is_empty()
            && let Some(smallest) = alike[bot].get_mut(&*all.of(as_it_came))
            && (smallest.is_empty() || as_it_came < smallest.as_str())
        {
            *smallest = as_it_came.to_string();
        }
        met[bot].extend(named.into_iter().map(str::to_string));
    };
    rows.iter().for_each(|of| [Raw::Messages, Raw::Events].iter().for_each(|table| of.each(*table, &bots, &mut look)));
    let mut texts = Vec::new();
    for (bot, of_bot) in settings.bots.iter().enumerate() {
        for test in &of_bot.test_contacts {
            let is_met = met[bot].contains(test) || met[bot].contains(&*settings.forms.of(test));
            let like = alike[bot].get(&*all.of(test)).filter(|like| !like.is_empty());
            if !is_met && (are_all || like.is_some()) {
                texts.push(warning(settings, (&of_bot.id, test), like, looked_at));
            }
        }
    }
    texts
}

fn warning(settings: &Settings, (bot, test): (&str, &str), like: Option<&String>, looked_at: u64) -> Said {
    let none = format!(
        "the test contact {:?} of bot {bot:?} is in none of {looked_at} rows that were looked at, so none is left out for it",
        shortened(test)
    );
    let Some(like) = like else {
        return Said::new(none).mend("write it in test_contacts as contact_id has it, or remove it");
    };
    let lacking = settings.forms.lacking_for(test, like).unwrap_or_default();
    let names: Vec<String> = settings.forms.and(&lacking).names().map(|name| format!("{name:?}")).collect();
    let said = Said::new(format!("{none}; {:?} is, which is the same in another form, and its rows count", shortened(like)));
    said.example(shortened(like)).mend(format!(
        "write it in test_contacts as contact_id has it, or forms = [{}] below [identity], where the same is true of all contacts",
        names.join(", ")
    ))
}
