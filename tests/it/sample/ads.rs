//! What the sample's shop advertises, and Meta's daily figures of it. Titles are what the contact saw when clicking; names are
//! the account's own.

use chrono::NaiveDate;

use super::shop::{BR, Dice, FIRST, LAST, MX, US, day, days, utc_midnight};
use crate::world::Insight;

pub const BRL_ACCOUNT: &str = "act_700100200300401";
pub const MXN_ACCOUNT: &str = "act_700100200300402";
/// A partner's account: its figures land in the same table, but no bot lists it.
pub const PARTNER_ACCOUNT: &str = "act_900800700600501";

/// Nobody's figures were fetched for this day.
const DAY_NOT_FETCHED: &str = "2026-10-14";
/// The fetch of the Brazilian account failed for this day; the Mexican one's landed.
const DAY_WITHOUT_BRL: &str = "2026-10-22";

pub struct Ad {
    pub id: &'static str,
    pub ad_type: &'static str,
    /// The title that the first touches show, and the one from a later day on.
    pub title: &'static str,
    pub new_title: Option<(&'static str, &'static str)>,
    /// Account, name in Meta, ad set, campaign; none for a post or where the account was never found out.
    pub meta: Option<Meta>,
    /// (bot, weight): how often the everyday traffic of a bot clicks it.
    pub clicks: &'static [(&'static str, u64)],
}

pub struct Meta {
    pub account: &'static str,
    pub name: &'static str,
    set: usize,
    /// First and last day of delivery.
    pub days: (&'static str, &'static str),
    /// Usual spend of a day, in hundredths.
    spend: u64,
}

/// Ad sets and their campaigns.
const SETS: [(&str, &str, &str, &str); 5] = [
    ("120226305854810501", "BR · 25-55 · decoração", "120226305854810401", "BR Conversas 2026"),
    ("120226305854810502", "BR · clientes", "120226305854810401", "BR Conversas 2026"),
    ("120230000000000501", "MX · CDMX y Guadalajara", "120230000000000401", "MX Mensajes otoño"),
    ("120230000000000502", "EE. UU. · en español", "120230000000000402", "Mercado de la nostalgia"),
    ("120199000000000501", "Café do Vale", "120199000000000401", "Parcerias"),
];

/// The two ids that a float would make one.
pub const VASES: &str = "120226305854810726";
pub const HAMMOCKS_BR: &str = "120226305854810727";
pub const BLACK_FRIDAY: &str = "120226305854810801";
pub const LAMPS_NEVER_CLICKED: &str = "120226305854810802";
pub const FORMULA: &str = "120226305854810901";
pub const CHILDRENS_DAY_POST: &str = "1784140000000123";
pub const PARTNER_AD: &str = "120199000000000726";
pub const UNKNOWN_AD: &str = "120226305854819902";
pub const HAMMOCKS_MX: &str = "120230000000000101";
pub const DAY_OF_THE_DEAD: &str = "120230000000000102";
pub const SCRIPT: &str = "120230000000000103";
pub const MUGS: &str = "120230000000000104";
pub const RUGS_NEVER_CLICKED: &str = "120230000000000105";

pub const ADS: [Ad; 13] = [
    Ad {
        id: VASES,
        ad_type: "ad",
        title: "Vasos de cerâmica feitos à mão | frete grátis",
        new_title: None,
        meta: Some(Meta { account: BRL_ACCOUNT, name: "BR | vasos | vídeo 15s", set: 0, days: (FIRST, LAST), spend: 14_400 }),
        clicks: &[(BR, 30)],
    },
    Ad {
        id: HAMMOCKS_BR,
        ad_type: "ad",
        title: "Redes artesanais: até 30% de desconto",
        new_title: None,
        meta: Some(Meta {
            account: BRL_ACCOUNT,
            name: "BR | redes | carrossel",
            set: 0,
            days: (FIRST, "2026-10-28"),
            spend: 9_150,
        }),
        clicks: &[(BR, 24)],
    },
    Ad {
        id: BLACK_FRIDAY,
        ad_type: "ad",
        title: "Pré-venda da Black Friday na Casa Jacarandá",
        new_title: Some(("2026-10-24", "Black Friday antecipada: coleção inteira com 20% OFF")),
        meta: Some(Meta {
            account: BRL_ACCOUNT,
            name: "BR | black friday | foto",
            set: 1,
            days: ("2026-10-12", LAST),
            spend: 20_075,
        }),
        clicks: &[(BR, 20)],
    },
    Ad {
        id: LAMPS_NEVER_CLICKED,
        ad_type: "ad",
        title: "",
        new_title: None,
        meta: Some(Meta {
            account: BRL_ACCOUNT,
            name: "BR | luminárias | teste de público",
            set: 1,
            days: ("2026-10-08", "2026-10-15"),
            spend: 2_500,
        }),
        clicks: &[],
    },
    Ad {
        id: FORMULA,
        ad_type: "ad",
        title: "=HYPERLINK(\"https://example.com/?q=\"&A1,\"Promoção\")",
        new_title: None,
        meta: Some(Meta {
            account: BRL_ACCOUNT,
            name: "BR | promoção | texto",
            set: 1,
            days: ("2026-10-06", "2026-10-30"),
            spend: 1_990,
        }),
        clicks: &[(BR, 4)],
    },
    Ad {
        id: CHILDRENS_DAY_POST,
        ad_type: "post",
        title: "Dia das Crianças: oficina de argila aos sábados",
        new_title: None,
        meta: None,
        clicks: &[(BR, 7)],
    },
    Ad {
        id: PARTNER_AD,
        ad_type: "ad",
        title: "Café do Vale + Casa Jacarandá: canecas de edição limitada",
        new_title: None,
        meta: Some(Meta {
            account: PARTNER_ACCOUNT,
            name: "Parceria | canecas",
            set: 4,
            days: ("2026-10-07", "2026-10-27"),
            spend: 5_000,
        }),
        clicks: &[(BR, 6)],
    },
    Ad { id: UNKNOWN_AD, ad_type: "ad", title: "Oferta relâmpago: só hoje!", new_title: None, meta: None, clicks: &[(BR, 4)] },
    Ad {
        id: HAMMOCKS_MX,
        ad_type: "ad",
        title: "Hamacas tejidas a mano: envío gratis a todo México",
        new_title: None,
        meta: Some(Meta { account: MXN_ACCOUNT, name: "MX | hamacas | reel", set: 2, days: (FIRST, LAST), spend: 48_000 }),
        clicks: &[(MX, 30), (US, 3)],
    },
    Ad {
        id: DAY_OF_THE_DEAD,
        ad_type: "ad",
        title: "Día de Muertos: catrinas y papel picado 💀🌼",
        new_title: None,
        meta: Some(Meta {
            account: MXN_ACCOUNT,
            name: "MX | día de muertos | carrusel",
            set: 2,
            days: ("2026-10-12", "2026-11-01"),
            spend: 96_050,
        }),
        clicks: &[(MX, 24)],
    },
    Ad {
        id: SCRIPT,
        ad_type: "ad",
        title: "<script>alert(\"¡hola!\")</script> Últimas piezas & más",
        new_title: None,
        meta: Some(Meta {
            account: MXN_ACCOUNT,
            name: "MX | últimas piezas",
            set: 2,
            days: ("2026-10-10", "2026-10-30"),
            spend: 7_500,
        }),
        clicks: &[(MX, 5)],
    },
    Ad {
        id: MUGS,
        ad_type: "ad",
        title: "Tazas de Talavera: el regalo que sí gusta",
        new_title: None,
        meta: Some(Meta { account: MXN_ACCOUNT, name: "MX+US | tazas | video", set: 3, days: (FIRST, LAST), spend: 35_000 }),
        clicks: &[(MX, 8), (US, 12)],
    },
    Ad {
        id: RUGS_NEVER_CLICKED,
        ad_type: "ad",
        title: "",
        new_title: None,
        meta: Some(Meta {
            account: MXN_ACCOUNT,
            name: "MX | tapetes | prueba",
            set: 2,
            days: ("2026-10-19", "2026-10-23"),
            spend: 12_000,
        }),
        clicks: &[],
    },
];

pub fn ad(id: &str) -> &'static Ad {
    ADS.iter().find(|ad| ad.id == id).expect("an ad of the sample")
}

impl Ad {
    pub fn title_at(&self, at: i64) -> &'static str {
        match self.new_title {
            Some((from, title)) if at >= utc_midnight(day(from)) => title,
            _ => self.title,
        }
    }

    fn delivers_on(&self, date: NaiveDate) -> bool {
        self.meta.as_ref().is_some_and(|meta| (day(meta.days.0)..=day(meta.days.1)).contains(&date))
    }
}

/// Meta's figures: a row for every ad that delivered, on every day that was fetched.
pub fn insights(dice: &mut Dice) -> Vec<Insight> {
    let mut insights = Vec::new();
    for date in days(FIRST, LAST) {
        for ad in ADS.iter().filter(|ad| ad.delivers_on(date)) {
            let meta = ad.meta.as_ref().expect("a delivering ad has an account");
            let (adset_id, adset_name, campaign_id, campaign_name) = SETS[meta.set];
            let spend = match (ad.id, date.to_string().as_str()) {
                // As Meta sends them: "144." and "5339.5".
                (VASES, FIRST) => 144_000_000,
                (DAY_OF_THE_DEAD, "2026-10-31") => 5_339_500_000,
                _ => (meta.spend * (60 + dice.below(81)) / 100) as i64 * 10_000,
            };
            let impressions = 300 + dice.below(20 * (meta.spend / 100) + 400) as i64;
            let reach = impressions * (70 + dice.below(26) as i64) / 100;
            let link_clicks = impressions * (5 + dice.below(20) as i64) / 1000;
            let fetched = date != day(DAY_NOT_FETCHED) && !(date == day(DAY_WITHOUT_BRL) && meta.account == BRL_ACCOUNT);
            if fetched {
                insights.push(Insight {
                    date,
                    account_id: meta.account.into(),
                    ad_id: ad.id.into(),
                    currency: if meta.account == MXN_ACCOUNT { "MXN" } else { "BRL" }.into(),
                    spend_millionths: spend,
                    impressions: Some(impressions),
                    reach: Some(reach),
                    clicks: Some(link_clicks + dice.below(9) as i64),
                    inline_link_clicks: Some(link_clicks),
                    // Meta counts by its own rules, and leaves the figure out where it is 0.
                    messaging_conversations_started: (link_clicks > 4).then_some(link_clicks / 4),
                    ad_name: Some(meta.name.into()),
                    adset_id: Some(adset_id.into()),
                    adset_name: Some(adset_name.into()),
                    campaign_id: Some(campaign_id.into()),
                    campaign_name: Some(campaign_name.into()),
                    loaded_at: None,
                });
            }
        }
    }
    insights
}
