//! The scripted cases of the sample: one contact each, so that a case can be looked up by its number alone. The catalogue,
//! `sample_data/README.md`, lists them under the same numbers. They use the shop's ordinary ads and count in its figures.

use super::ads::{
    BLACK_FRIDAY, CHILDRENS_DAY_POST, DAY_OF_THE_DEAD, FORMULA, HAMMOCKS_BR, HAMMOCKS_MX, MUGS, PARTNER_AD, UNKNOWN_AD, VASES,
};
use super::shop::{BR, DAY, HOUR, MX, SALES, SECOND, Shop, TRIAL, US, contact, event, utc};

const ORDER: &str = "Pedido confirmado";
const PAYMENT: &str = "Pagamento aprovado";
const SALE: &str = "Compra";

/// The contact of a case: 5511900900001 is case 1 in Brazil, 5215500900031 case 31 in Mexico, 12125550190 case 90 in New York.
pub fn case(bot: &str, number: usize) -> String {
    contact(bot, if bot == US { number } else { 900_000 + number })
}

pub fn stage(shop: &mut Shop) {
    sessions(shop);
    copies_and_missing_ad_ids(shop);
    settings(shop);
    late_rows_and_local_days(shop);
    identities(shop);
    what_counts_nothing(shop);
    ads_without_known_spend(shop);
    new_york(shop);
    rejected_rows(shop);
}

impl Shop {
    /// A touch that lands within the minute.
    fn click(&mut self, bot: &str, number: usize, at: &str, ad_id: &str) {
        let touch = self.touch(bot, &case(bot, number), utc(at), ad_id);
        self.arrive(touch, utc(at) + 40 * SECOND);
    }

    /// An event that lands within the minute.
    fn tracked(&mut self, bot: &str, number: usize, at: &str, category: &str) {
        self.tracked_as(bot, &case(bot, number), at, at, category);
    }

    fn tracked_as(&mut self, bot: &str, contact: &str, at: &str, arrives: &str, category: &str) {
        self.arrive_event(event(bot, contact, utc(at), category), utc(arrives) + 40 * SECOND);
    }
}

/// Cases 1 to 6: which session an order closes.
fn sessions(shop: &mut Shop) {
    // 1: the same ad twice, one order.
    shop.click(BR, 1, "2026-10-06T13:00:00Z", VASES);
    shop.click(BR, 1, "2026-10-07T13:00:00Z", VASES);
    shop.tracked(BR, 1, "2026-10-07T15:00:00Z", ORDER);
    // 2: another ad takes over.
    shop.click(BR, 2, "2026-10-06T13:10:00Z", VASES);
    shop.click(BR, 2, "2026-10-07T18:00:00Z", HAMMOCKS_BR);
    shop.tracked(BR, 2, "2026-10-08T14:00:00Z", ORDER);
    // 3: a touch and an order in the same second: the new session gets it.
    shop.click(BR, 3, "2026-10-08T12:00:00Z", VASES);
    shop.click(BR, 3, "2026-10-09T12:00:00Z", HAMMOCKS_BR);
    shop.tracked(BR, 3, "2026-10-09T12:00:00Z", ORDER);
    // 4: two touches in the same second: the greater message id comes last.
    let at = utc("2026-10-09T18:00:00Z");
    let [mut first, mut last] = [FORMULA, VASES].map(|ad_id| shop.touch(BR, &case(BR, 4), at, ad_id));
    if first.message_id > last.message_id {
        std::mem::swap(&mut first.message_id, &mut last.message_id);
    }
    shop.arrive(last, at + 40 * SECOND);
    shop.arrive(first, at + 41 * SECOND);
    shop.tracked(BR, 4, "2026-10-09T18:20:00Z", ORDER);
    // 5: the order came before the click.
    shop.tracked(BR, 5, "2026-10-06T10:00:00Z", ORDER);
    shop.click(BR, 5, "2026-10-06T11:00:00Z", VASES);
    // 6: two orders in one session: the second is nobody's.
    shop.click(BR, 6, "2026-10-07T12:00:00Z", HAMMOCKS_BR);
    shop.tracked(BR, 6, "2026-10-07T12:30:00Z", ORDER);
    shop.tracked(BR, 6, "2026-10-09T12:30:00Z", ORDER);
}

/// Cases 7 to 11: deliveries that repeat, and clicks whose ad id got lost.
fn copies_and_missing_ad_ids(shop: &mut Shop) {
    // 7: the same message lands again five days later, with its old time.
    let at = utc("2026-10-07T16:00:00Z");
    let touch = shop.touch(BR, &case(BR, 7), at, VASES);
    shop.arrive(touch.clone(), at + 40 * SECOND);
    shop.arrive(touch, at + 5 * DAY);
    // 8: stored anew eight days later: beyond seven days it is another conversation.
    let at = utc("2026-10-08T16:00:00Z");
    let mut touch = shop.touch(BR, &case(BR, 8), at, HAMMOCKS_BR);
    shop.arrive(touch.clone(), at + 40 * SECOND);
    touch.sent_at = Some(at + 8 * DAY);
    shop.arrive(touch, at + 8 * DAY + 40 * SECOND);
    // 9: the first copy lost its ad id, the one two seconds later has it: one touch, at the later time.
    let at = utc("2026-10-13T16:00:00Z");
    let mut touch = shop.touch(BR, &case(BR, 9), at, VASES);
    touch.ad_id = None;
    shop.arrive(touch.clone(), at + 40 * SECOND);
    touch.ad_id = Some(VASES.into());
    touch.sent_at = Some(at + 2 * SECOND);
    shop.arrive(touch, at + 42 * SECOND);
    // 10: after a touch, a click whose ad id came blank: it takes over, and the order is no ad's.
    shop.click(BR, 10, "2026-10-13T13:00:00Z", HAMMOCKS_BR);
    let at = utc("2026-10-14T13:00:00Z");
    let mut touch = shop.touch(BR, &case(BR, 10), at, HAMMOCKS_BR);
    touch.ad_id = Some(String::new());
    shop.arrive(touch, at + 40 * SECOND);
    shop.tracked(BR, 10, "2026-10-15T13:00:00Z", ORDER);
    // 11: only the click id came.
    let at = utc("2026-10-15T17:00:00Z");
    let mut touch = shop.message(BR, &case(BR, 11), at);
    touch.ctwa_clid = Some(shop.click_id());
    shop.arrive(touch, at + 40 * SECOND);
}

/// Cases 12 to 14 and 31, 32, 34: which category counts when.
fn settings(shop: &mut Shop) {
    // 12: a session opened before the change converts by the new category after it.
    shop.click(BR, 12, "2026-10-18T12:00:00Z", BLACK_FRIDAY);
    shop.tracked(BR, 12, "2026-10-19T16:00:00Z", ORDER);
    shop.tracked(BR, 12, "2026-10-20T14:00:00Z", PAYMENT);
    // 13: the last second of the old category; the payment after it finds the session closed.
    shop.click(BR, 13, "2026-10-17T12:00:00Z", VASES);
    shop.tracked(BR, 13, "2026-10-18T12:00:00Z", PAYMENT);
    shop.tracked(BR, 13, "2026-10-19T15:29:59Z", ORDER);
    shop.tracked(BR, 13, "2026-10-19T17:00:00Z", PAYMENT);
    // 14: the first second of the new one.
    shop.click(BR, 14, "2026-10-17T13:00:00Z", VASES);
    shop.tracked(BR, 14, "2026-10-19T15:30:00Z", PAYMENT);
    // 31: before the first setting, and landed after it: it still counts nothing.
    shop.click(MX, 31, "2026-10-07T20:00:00Z", HAMMOCKS_MX);
    shop.tracked_as(MX, &case(MX, 31), "2026-10-08T20:00:00Z", "2026-10-11T09:00:00Z", SALE);
    // 32: at the first setting's own instant, landed two days later.
    shop.click(MX, 32, "2026-10-08T21:00:00Z", HAMMOCKS_MX);
    shop.tracked_as(MX, &case(MX, 32), "2026-10-09T06:00:00Z", "2026-10-11T09:00:00Z", SALE);
    // 34: categories compare exactly.
    shop.click(MX, 34, "2026-10-20T15:00:00Z", DAY_OF_THE_DEAD);
    shop.tracked(MX, 34, "2026-10-20T16:00:00Z", "compra");
    shop.tracked(MX, 34, "2026-10-20T16:10:00Z", "Compra ");
}

/// Cases 15 to 17 and 33.
fn late_rows_and_local_days(shop: &mut Shop) {
    // 15: an order that lands four days late.
    shop.click(BR, 15, "2026-10-10T14:00:00Z", HAMMOCKS_BR);
    shop.tracked_as(BR, &case(BR, 15), "2026-10-11T20:00:00Z", "2026-10-15T20:00:00Z", ORDER);
    // 16: a touch that lands after the payment it led to.
    let at = utc("2026-10-20T14:00:00Z");
    let touch = shop.touch(BR, &case(BR, 16), at, HAMMOCKS_BR);
    shop.arrive(touch, at + 4 * DAY);
    shop.tracked(BR, 16, "2026-10-21T14:00:00Z", PAYMENT);
    // 17 and 33: late in the evening the UTC day is already the next one.
    shop.click(BR, 17, "2026-10-10T02:30:00Z", VASES);
    shop.click(MX, 33, "2026-10-20T05:30:00Z", HAMMOCKS_MX);
}

/// Cases 18 to 21: who is who.
fn identities(shop: &mut Shop) {
    // 18: two tunnels and a user id until the number.
    let tunnel = |number: usize, link: usize| format!("00000000-0000-4000-8000-{link:04}{number:08}@tunnel.msging.net");
    shop.click(BR, 18, "2026-10-20T12:00:00Z", VASES);
    shop.tracked_as(SALES, &tunnel(18, 1), "2026-10-20T13:00:00Z", "2026-10-20T13:00:00Z", PAYMENT);
    shop.alias(Some(BR), &tunnel(18, 1), &tunnel(18, 2));
    shop.alias(Some(BR), &tunnel(18, 2), "BR.1000000000000018");
    shop.alias(None, "BR.1000000000000018", &case(BR, 18));
    // 19: the row for the bot beats the one for all bots, which names somebody else.
    shop.click(BR, 19, "2026-10-20T12:05:00Z", HAMMOCKS_BR);
    shop.tracked_as(SALES, &tunnel(19, 1), "2026-10-20T13:05:00Z", "2026-10-20T13:05:00Z", PAYMENT);
    shop.alias(None, &tunnel(19, 1), &case(BR, 119));
    shop.alias(Some(BR), &tunnel(19, 1), &case(BR, 19));
    // 20: the row names the sub-bot, which counts as its router.
    shop.click(BR, 20, "2026-10-20T12:10:00Z", VASES);
    shop.tracked_as(SALES, &tunnel(20, 1), "2026-10-20T13:10:00Z", "2026-10-20T13:10:00Z", PAYMENT);
    shop.alias(Some(SALES), &tunnel(20, 1), &case(BR, 20));
    // 21: clicked with the old number, paid with the new one.
    shop.click(BR, 21, "2026-10-20T12:15:00Z", VASES);
    shop.tracked_as(BR, &case(BR, 121), "2026-10-23T13:15:00Z", "2026-10-23T13:15:00Z", PAYMENT);
    shop.alias(None, &case(BR, 21), &case(BR, 121));
}

/// Cases 22 to 24 and 27.
fn what_counts_nothing(shop: &mut Shop) {
    // 22: payments that name no contact.
    for at in ["2026-10-26T12:00:00Z", "2026-10-26T18:00:00Z"] {
        let mut payment = event(BR, "", utc(at), PAYMENT);
        payment.contact_id = None;
        shop.arrive_event(payment, utc(at) + 40 * SECOND);
    }
    // 23: an answer that carries the metadata of the message it answers.
    let at = utc("2026-10-26T13:00:00Z");
    let mut answer = shop.touch(BR, &case(BR, 23), at, VASES);
    answer.direction = Some("sent".into());
    answer.message_id = Some(shop.uuid());
    shop.arrive(answer, at + 40 * SECOND);
    shop.tracked(BR, 23, "2026-10-26T14:00:00Z", PAYMENT);
    // 24: the trial bot, which no pipeline names.
    for (at, ad_id) in [("2026-10-27T12:00:00Z", VASES), ("2026-10-28T12:00:00Z", BLACK_FRIDAY)] {
        let touch = shop.touch(TRIAL, &case(BR, 24), utc(at), ad_id);
        shop.arrive(touch, utc(at) + 40 * SECOND);
    }
    shop.tracked_as(TRIAL, &case(BR, 24), "2026-10-28T13:00:00Z", "2026-10-28T13:00:00Z", PAYMENT);
    // 27: one contact and one message id in two bots: two touches that know nothing of each other.
    let at = utc("2026-10-27T15:00:00Z");
    let touch = shop.touch(BR, &case(BR, 27), at, HAMMOCKS_BR);
    let mut same_ids = shop.touch(MX, &case(BR, 27), at, HAMMOCKS_MX);
    same_ids.message_id.clone_from(&touch.message_id);
    shop.arrive(touch, at + 40 * SECOND);
    shop.arrive(same_ids, at + 41 * SECOND);
    shop.tracked(BR, 27, "2026-10-27T16:00:00Z", PAYMENT);
}

/// Cases 25 and 28 to 30: conversions whose cost nobody knows.
fn ads_without_known_spend(shop: &mut Shop) {
    for (number, ad_id, clicked, paid) in [
        (28, PARTNER_AD, "2026-10-21T12:00:00Z", "2026-10-22T12:00:00Z"),
        (29, UNKNOWN_AD, "2026-10-23T12:00:00Z", "2026-10-23T15:00:00Z"),
        (30, CHILDRENS_DAY_POST, "2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"),
    ] {
        shop.click(BR, number, clicked, ad_id);
        shop.tracked(BR, number, paid, PAYMENT);
    }
    // 25: the ad's last touch has a blank title and no type: the ad keeps those it had.
    let at = utc("2026-11-02T23:30:00Z");
    let mut touch = shop.touch(BR, &case(BR, 25), at, UNKNOWN_AD);
    touch.ad_title = Some("  ".into());
    touch.ad_type = None;
    shop.arrive(touch, at + 40 * SECOND);
}

/// Cases 90 to 94: a bot without any setting, and the night in which its clocks go back.
fn new_york(shop: &mut Shop) {
    // 90: the first touch of an ad whose account two bots list: this bot bears its spend.
    shop.click(US, 90, "2026-10-05T11:00:00Z", MUGS);
    // 91 to 93: half past one in the morning, the same an hour later, and half past eleven at night: all on 1 November.
    shop.click(US, 91, "2026-11-01T05:30:00Z", MUGS);
    shop.click(US, 92, "2026-11-01T06:30:00Z", MUGS);
    shop.click(US, 93, "2026-11-02T04:30:00Z", MUGS);
    // 94: a sale that no setting counts.
    shop.click(US, 94, "2026-10-22T15:00:00Z", MUGS);
    shop.tracked(US, 94, "2026-10-22T16:00:00Z", SALE);
}

/// Cases 41 to 45: rows that break the contract, each in its own way.
fn rejected_rows(shop: &mut Shop) {
    // 41: a touch of nobody.
    let at = utc("2026-10-16T15:00:00Z");
    let mut touch = shop.touch(MX, &case(MX, 41), at, HAMMOCKS_MX);
    touch.contact_id = None;
    shop.arrive(touch, at + HOUR);
    // 42: the time that a .NET program writes when it has none.
    let at = utc("2026-10-13T15:00:00Z");
    let mut touch = shop.touch(BR, &case(BR, 42), at, VASES);
    touch.sent_at = Some(utc("0001-01-01T00:00:00Z"));
    shop.arrive(touch, at + HOUR);
    // 43: no message id.
    let at = utc("2026-10-23T15:00:00Z");
    let mut touch = shop.touch(BR, &case(BR, 43), at, VASES);
    touch.message_id = None;
    shop.arrive(touch, at + HOUR);
    // 44: a direction nobody knows.
    let at = utc("2026-10-27T18:00:00Z");
    let mut touch = shop.touch(MX, &case(MX, 44), at, DAY_OF_THE_DEAD);
    touch.direction = Some("echo".into());
    shop.arrive(touch, at + HOUR);
    // 45: a payment at the beginning of time.
    let payment = event(BR, &case(BR, 45), 0, PAYMENT);
    shop.arrive_event(payment, utc("2026-10-20T15:00:00Z"));
}
