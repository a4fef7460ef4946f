//! Rows without their copies, and what the touches say of each ad. Sessions are found over what is left.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::base::error::Result;
use crate::base::parallel::at_once;
use crate::engine::counts::{AdFacts, FactsOfAds, Told};
use crate::engine::embedded::conversion_events::{Event, Events};
use crate::engine::embedded::touches::{Touch, Touches};
use crate::engine::rows::{EventRow, Rows, TouchRow};

/// Touches and conversion events without their copies, and what the touches say of each ad. Sessions and copies are decided on
/// all of these rows, whatever days are asked for.
pub struct Settled {
    pub touches: Touches,
    pub events: Events,
    pub dropped_touches: Vec<Touch>,
    pub dropped_events: Vec<Event>,
    /// What those touches say that are not known already.
    pub ad_facts: FactsOfAds,
    /// A known touch is a copy of a new one: what is known of its ad is no longer true.
    pub displaces_known: bool,
}

/// Takes the copies out.
pub fn settle(touches: Touches, events: Events) -> Result<Settled> {
    settle_part(touches, events, &|_, _| true)
}

/// Whether a row counts, by its bot and its contact with the short hash of it.
pub(super) type IsCounted<'a> = dyn Fn(u32, Option<(&str, i64)>) -> bool + Sync + 'a;

/// Settles a part of the contacts: the rows that `counts` names count, the others are there for their copies' sake.
pub(super) fn settle_part(mut touches: Touches, mut events: Events, counts: &IsCounted<'_>) -> Result<Settled> {
    let (of_touches, dropped_events) = at_once(
        || -> Result<_> {
            let dropped = touches.drop_copies()?;
            let (mut rows, mut dropped_rows) = (std::mem::take(&mut touches.rows), dropped.rows);
            let is_counted = |touch: &Touch| counts(touch.bot, Some((touches.contact(touch), touches.contact_hash(touch))));
            rows.retain(is_counted);
            dropped_rows.retain(is_counted);
            touches.rows = rows;
            Ok((dropped_rows, dropped.displaces_known, ad_facts(&touches)))
        },
        || {
            let mut dropped = events.drop_copies();
            let mut rows = std::mem::take(&mut events.rows);
            let is_counted = |event: &Event| counts(event.bot, events.contact(event).zip(events.contact_hash(event)));
            rows.retain(is_counted);
            dropped.retain(is_counted);
            events.rows = rows;
            dropped
        },
    )?;
    let (dropped_touches, displaces_known, ad_facts) = of_touches?;
    Ok(Settled { touches, events, dropped_touches, dropped_events, ad_facts, displaces_known })
}

/// What touches that are not known already say of each ad.
fn ad_facts(touches: &Touches) -> FactsOfAds {
    /// Touches that tell something of an ad, as indices.
    struct Tellers {
        first: usize,
        last: usize,
        title: Option<usize>,
        ad_type: Option<usize>,
    }
    let mut tellers: HashMap<(u32, u32), Tellers, FixedState> = HashMap::default();
    // In order of time and message id, so the last word is the latest.
    for (i, touch) in touches.rows.iter().enumerate() {
        let Some(ad) = touches.ad_code(touch).filter(|_| !touches.is_known(touch)) else { continue };
        let of_ad = tellers.entry((touch.bot, ad)).or_insert(Tellers { first: i, last: i, title: None, ad_type: None });
        of_ad.last = i;
        of_ad.title = touches.title(touch).map(|_| i).or(of_ad.title);
        of_ad.ad_type = touches.ad_type(touch).map(|_| i).or(of_ad.ad_type);
    }
    let row = |i: usize| &touches.rows[i];
    let message = |i: usize| touches.message(row(i)).to_string();
    let told = |teller: Option<usize>, text: &dyn Fn(&Touch) -> Option<String>| {
        teller.and_then(|i| Some(Told { at: row(i).sent_at, message: message(i), text: text(row(i))? }))
    };
    let mut facts = FactsOfAds::new();
    let ads: Vec<&str> = touches.ads().collect();
    for ((bot, ad), of_ad) in tellers {
        let of_bot = AdFacts {
            first_conversation_at: row(of_ad.first).sent_at,
            first_message: message(of_ad.first),
            last_conversation_at: row(of_ad.last).sent_at,
            ad_type: told(of_ad.ad_type, &|touch| touches.ad_type(touch).map(str::to_string)),
            title: told(of_ad.title, &|touch| touches.title(touch).map(str::to_string)),
        };
        facts.entry(ads[ad as usize].to_string()).or_default().insert(bot, of_bot);
    }
    facts
}

/// Rows that lie among those of [`Touches`] and [`Events`].
pub(super) trait Held: Sync {
    fn touches(&self) -> (&Touches, &[Touch]);
    fn events(&self) -> (&Events, &[Event]);
}

impl<H: Held> Rows for H {
    fn touches(&self) -> u32 {
        Held::touches(self).1.len() as u32
    }

    fn touch(&self, number: u32) -> TouchRow<'_> {
        let (touches, rows) = Held::touches(self);
        touches.row(&rows[number as usize])
    }

    fn events(&self) -> u32 {
        Held::events(self).1.len() as u32
    }

    fn event(&self, number: u32) -> EventRow<'_> {
        let (events, rows) = Held::events(self);
        events.row(&rows[number as usize])
    }
}

impl Held for Settled {
    fn touches(&self) -> (&Touches, &[Touch]) {
        (&self.touches, &self.touches.rows)
    }

    fn events(&self) -> (&Events, &[Event]) {
        (&self.events, &self.events.rows)
    }
}

/// The copies that were dropped.
pub(super) struct Copies<'a>(pub &'a Settled);

impl Held for Copies<'_> {
    fn touches(&self) -> (&Touches, &[Touch]) {
        (&self.0.touches, &self.0.dropped_touches)
    }

    fn events(&self) -> (&Events, &[Event]) {
        (&self.0.events, &self.0.dropped_events)
    }
}
