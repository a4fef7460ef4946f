//! A question to the Insights API, and the smaller questions that together have its answer: pure.
//!
//! In: an [`Ask`]. Out: its parameters, and with [`smaller`] what to ask when it was too large: fewer days or ranges, then fewer
//! campaigns, ad sets and ads, then fewer fields. Every piece is smaller than the whole in one of these, so no question is ever
//! asked twice and the cutting ends. Pieces do not overlap and leave nothing out. A figure of an ad is never cut: neither days of
//! a range nor ads are added up here.

use std::fmt;

use serde_json::json;

use crate::base::day::DayRange;

/// Each of Meta's statuses of an ad. Named in a filter, they bring ads that are otherwise left out: deleted and archived.
const AD_STATUSES: [&str; 12] = [
    "ACTIVE",
    "ADSET_PAUSED",
    "ARCHIVED",
    "CAMPAIGN_PAUSED",
    "DELETED",
    "DISAPPROVED",
    "IN_PROCESS",
    "PAUSED",
    "PENDING_BILLING_INFO",
    "PENDING_REVIEW",
    "PREAPPROVED",
    "WITH_ISSUES",
];

/// How many ids are named in one question: they travel in a URL.
pub(crate) const MOST_IDS: usize = 200;

/// What every row carries, so that parts of rows find together.
pub(crate) const KEYS: [&str; 2] = ["account_id", "ad_id"];

/// Which figures: of each day, or of each range as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Span {
    Daily(DayRange),
    Ranges(Vec<DayRange>),
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span::Daily(days) => write!(f, "{days}"),
            Span::Ranges(ranges) => f.write_str(&ranges.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ObjectLevel {
    Campaign,
    AdSet,
    Ad,
}

impl ObjectLevel {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ObjectLevel::Campaign => "campaign",
            ObjectLevel::AdSet => "adset",
            ObjectLevel::Ad => "ad",
        }
    }

    pub(crate) fn id_field(self) -> &'static str {
        match self {
            ObjectLevel::Campaign => "campaign_id",
            ObjectLevel::AdSet => "adset_id",
            ObjectLevel::Ad => "ad_id",
        }
    }
}

/// Which ads of the node that is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    All,
    Of(ObjectLevel, Vec<String>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    /// An account with `act_`, or an ad.
    pub node: String,
    pub span: Span,
    pub selection: Selection,
    /// The fields asked for, beside [`KEYS`].
    pub fields: Vec<&'static str>,
}

/// What to ask instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Smaller {
    /// Questions whose rows together are the answer.
    Pieces(Vec<Ask>),
    /// Questions by the objects of this level: which there are is asked first, with [`Ask::ids`], then [`Ask::of_ids`].
    Below(ObjectLevel),
    /// Two questions; each row is the answer's row in part.
    Fields(Box<[Ask; 2]>),
    /// No question is smaller: it is of one day or range, one ad, one field.
    Nothing,
}

impl Ask {
    fn is_of_account(&self) -> bool {
        self.node.starts_with("act_")
    }

    fn spanned(&self, span: Span) -> Ask {
        Ask { span, ..self.clone() }
    }

    /// The same question of some objects of a level, at least two questions where there are at least two ids.
    pub(crate) fn of_ids(&self, level: ObjectLevel, ids: &[String]) -> Vec<Ask> {
        let pieces = ids.len().div_ceil(MOST_IDS).max(2);
        let size = ids.len().div_ceil(pieces).max(1);
        ids.chunks(size).map(|ids| Ask { selection: Selection::Of(level, ids.to_vec()), ..self.clone() }).collect()
    }

    /// The parameters, but for those of paging.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, String)> {
        let fields: Vec<&str> = KEYS.into_iter().chain(self.fields.iter().copied()).collect();
        self.parameters_at(ObjectLevel::Ad, &fields, true)
    }

    /// The parameters of the question which objects of a level have figures here.
    pub(crate) fn ids(&self, level: ObjectLevel) -> Vec<(&'static str, String)> {
        self.parameters_at(level, &[level.id_field(), "impressions"], false)
    }

    fn parameters_at(&self, level: ObjectLevel, fields: &[&str], by_day: bool) -> Vec<(&'static str, String)> {
        let range = |days: &DayRange| json!({ "since": days.first.to_string(), "until": days.last.to_string() });
        let mut parameters = vec![("level", level.name().to_string()), ("fields", fields.join(","))];
        match &self.span {
            Span::Daily(days) => {
                parameters.push(("time_range", range(days).to_string()));
                if by_day {
                    parameters.push(("time_increment", "1".to_string()));
                }
            }
            Span::Ranges(ranges) => {
                parameters.push(("time_ranges", ranges.iter().map(range).collect::<serde_json::Value>().to_string()));
            }
        }
        let filter = |field: String, value: serde_json::Value| json!({ "field": field, "operator": "IN", "value": value });
        let mut filters = Vec::new();
        if self.is_of_account() {
            filters.push(filter("ad.effective_status".to_string(), json!(AD_STATUSES)));
        }
        if let Selection::Of(objects, ids) = &self.selection {
            filters.push(filter(format!("{}.id", objects.name()), json!(ids)));
        }
        if !filters.is_empty() {
            parameters.push(("filtering", json!(filters).to_string()));
        }
        parameters
    }
}

/// What to ask instead of a question that was too large.
pub(crate) fn smaller(ask: &Ask) -> Smaller {
    match &ask.span {
        Span::Daily(days) if days.first < days.last => {
            let middle = days.first.plus((days.last.0 - days.first.0) / 2);
            let halves = [DayRange { first: days.first, last: middle }, DayRange { first: middle.next(), last: days.last }];
            return Smaller::Pieces(halves.map(|half| ask.spanned(Span::Daily(half))).to_vec());
        }
        Span::Ranges(ranges) if ranges.len() > 1 => {
            let (left, right) = ranges.split_at(ranges.len() / 2);
            return Smaller::Pieces([left, right].map(|half| ask.spanned(Span::Ranges(half.to_vec()))).to_vec());
        }
        _ => {}
    }
    match &ask.selection {
        Selection::Of(level, ids) if ids.len() > 1 => return Smaller::Pieces(ask.of_ids(*level, ids)),
        Selection::All if ask.is_of_account() => return Smaller::Below(ObjectLevel::Campaign),
        Selection::Of(ObjectLevel::Campaign, _) => return Smaller::Below(ObjectLevel::AdSet),
        Selection::Of(ObjectLevel::AdSet, _) => return Smaller::Below(ObjectLevel::Ad),
        _ => {}
    }
    if ask.fields.len() > 1 {
        let (left, right) = ask.fields.split_at(ask.fields.len() / 2);
        return Smaller::Fields(Box::new([left, right].map(|fields| Ask { fields: fields.to_vec(), ..ask.clone() })));
    }
    Smaller::Nothing
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::day::Day;

    fn ask(days: i32, fields: &[&'static str]) -> Ask {
        let span = Span::Daily(DayRange { first: Day(100), last: Day(99 + days) });
        Ask { node: "act_1".into(), span, selection: Selection::All, fields: fields.to_vec() }
    }

    /// Cuts until nothing is smaller, in a world of campaigns of ad sets of ads, and gives every question asked.
    fn cut(whole: Ask, [campaigns, adsets, ads]: [usize; 3]) -> Vec<Ask> {
        let (mut open, mut asked) = (vec![whole], Vec::new());
        while let Some(ask) = open.pop() {
            asked.push(ask.clone());
            assert!(asked.len() < 10_000, "it ends");
            match smaller(&ask) {
                Smaller::Pieces(pieces) => open.extend(pieces),
                Smaller::Fields(halves) => open.extend(*halves),
                Smaller::Nothing => {}
                Smaller::Below(level) => {
                    let count = match level {
                        ObjectLevel::Campaign => campaigns,
                        ObjectLevel::AdSet => adsets,
                        ObjectLevel::Ad => ads,
                    };
                    let parent = match &ask.selection {
                        Selection::Of(_, ids) => ids[0].clone(),
                        Selection::All => String::new(),
                    };
                    let ids: Vec<String> = (0..count).map(|i| format!("{parent}{i}")).collect();
                    open.extend(ask.of_ids(level, &ids));
                }
            }
        }
        asked
    }

    #[test]
    fn the_smallest_questions_are_every_day_ad_and_field_once_and_none_is_asked_twice() {
        let asked = cut(ask(5, &["spend", "reach", "clicks"]), [3, 2, 2]);
        for (i, ask) in asked.iter().enumerate() {
            assert!(!asked[..i].contains(ask), "{ask:?}");
        }
        let mut smallest: Vec<String> = asked
            .iter()
            .filter(|ask| smaller(ask) == Smaller::Nothing)
            .map(|ask| {
                let (Span::Daily(days), Selection::Of(ObjectLevel::Ad, ads)) = (&ask.span, &ask.selection) else {
                    panic!("{ask:?}")
                };
                assert_eq!((days.len(), ads.len(), ask.fields.len()), (1, 1, 1));
                format!("{} {} {}", days.first, ads[0], ask.fields[0])
            })
            .collect();
        assert_eq!(smallest.len(), 5 * 12 * 3);
        smallest.sort();
        smallest.dedup();
        assert_eq!(smallest.len(), 5 * 12 * 3);
    }

    #[test]
    fn days_are_cut_first_then_objects_then_fields() {
        let Smaller::Pieces(halves) = smaller(&ask(3, &["spend", "reach"])) else { panic!() };
        let spans: Vec<String> = halves
            .iter()
            .map(|ask| match &ask.span {
                Span::Daily(days) => days.to_string(),
                Span::Ranges(_) => panic!(),
            })
            .collect();
        assert_eq!(spans, ["1970-04-11..1970-04-12", "1970-04-13"]);
        assert_eq!(smaller(&ask(1, &["spend"])), Smaller::Below(ObjectLevel::Campaign));
        let of_ad = Ask { node: "77".into(), ..ask(1, &["spend", "reach"]) };
        let Smaller::Fields(halves) = smaller(&of_ad) else { panic!() };
        assert_eq!([&halves[0].fields, &halves[1].fields], [&vec!["spend"], &vec!["reach"]]);
        assert_eq!(smaller(&halves[0]), Smaller::Nothing);
        let ranges = Ask { span: Span::Ranges(vec![DayRange { first: Day(1), last: Day(7) }; 3]), ..ask(1, &["reach"]) };
        let Smaller::Pieces(halves) = smaller(&ranges) else { panic!() };
        assert_eq!(halves.len(), 2);
    }

    #[test]
    fn ids_are_named_in_pieces_that_fit_a_url_and_leave_none_out() {
        for count in [1, 2, 3, 199, 200, 201, 401, 1_000] {
            let ids: Vec<String> = (0..count).map(|i| i.to_string()).collect();
            let pieces = ask(1, &["spend"]).of_ids(ObjectLevel::Ad, &ids);
            let named: Vec<String> = pieces
                .iter()
                .flat_map(|ask| match &ask.selection {
                    Selection::Of(ObjectLevel::Ad, ids) if ids.len() <= MOST_IDS => ids.clone(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(named, ids);
            assert_eq!(pieces.len() >= 2, count >= 2, "{count}");
        }
    }

    #[test]
    fn a_question_in_metas_words() {
        let of_account = Ask { selection: Selection::Of(ObjectLevel::Campaign, vec!["7".into()]), ..ask(2, &["spend"]) };
        let parameters = of_account.parameters();
        assert_eq!(
            parameters[..4],
            [
                ("level", "ad".to_string()),
                ("fields", "account_id,ad_id,spend".to_string()),
                ("time_range", r#"{"since":"1970-04-11","until":"1970-04-12"}"#.to_string()),
                ("time_increment", "1".to_string()),
            ]
        );
        let filters = &parameters[4].1;
        for text in [r#""field":"ad.effective_status""#, "DELETED", r#"{"field":"campaign.id","operator":"IN","value":["7"]}"#] {
            assert!(filters.contains(text), "{filters}");
        }
        let below: Vec<&str> = of_account.ids(ObjectLevel::AdSet).iter().map(|(name, _)| *name).collect();
        assert_eq!(below, ["level", "fields", "time_range", "filtering"]);
        let of_ad = Ask { node: "77".into(), ..ask(1, &["spend"]) };
        assert!(of_ad.parameters().iter().all(|(name, _)| *name != "filtering"), "an ad asked by its id is not filtered");
    }
}
