//! Sessions, one by one: what became of each touch.

use crate::base::error::Result;
use crate::engine::embedded::sessions::state;
use crate::engine::embedded::settle::{Copies, Settled};
use crate::engine::embedded::shards::{codes, days_of, in_shards, local_days, shards_for};
use crate::engine::request::Rules;
use crate::engine::rows::{Rows, Session, SessionEnd, SettledRows};

impl SettledRows for Settled {
    fn copies(&self) -> Box<dyn Rows + '_> {
        Box::new(Copies(self))
    }

    fn sessions(&self, rules: &Rules<'_>, wanted: &(dyn Fn(&Session) -> bool + Sync)) -> Result<Vec<Session>> {
        let zones = local_days(rules.settings, self);
        let of_shards = in_shards(rules, self, &zones, shards_for(self), &|shard, _| {
            let (touches, days, ends) = (codes(shard, "rank")?, days_of(shard, "day")?, shard.column("state")?.i32()?.clone());
            let (events, event_days) = (codes(shard, "conversion_rank")?, days_of(shard, "conversion_day")?);
            let superseded_by = codes(shard, "superseded_by")?;
            let mut sessions = Vec::new();
            for (i, end) in ends.iter().enumerate() {
                let (Some(touch), Some(day)) = (touches[i], days[i]) else { continue };
                let end = match (end, events[i].zip(event_days[i]), superseded_by[i]) {
                    (Some(state::CONVERTED), Some((event, converted_on)), _) => {
                        SessionEnd::Converted { event, day: converted_on }
                    }
                    (Some(state::SUPERSEDED), _, Some(by)) => SessionEnd::Superseded { by },
                    (Some(state::EXPIRED), ..) => SessionEnd::Expired,
                    _ => SessionEnd::Open,
                };
                sessions.extend(Some(Session { touch, day, end }).filter(wanted));
            }
            Ok(sessions)
        })?;
        let mut sessions: Vec<Session> = of_shards.into_iter().flatten().collect();
        sessions.sort_unstable_by_key(|session| session.touch);
        Ok(sessions)
    }
}
