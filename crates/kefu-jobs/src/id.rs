//! Ids in payloads, as the text they are.

macro_rules! id {
    ($module:ident, $id:ident $(, $optional:ident)?) => {
        pub(crate) mod $module {
            use kefu_domain::$id;
            use serde::{Deserialize, Deserializer, Serializer, de};

            pub(crate) fn serialize<S: Serializer>(id: &$id, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(id.as_str())
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$id, D::Error> {
                let text = String::deserialize(deserializer)?;
                $id::parse(&text).map_err(de::Error::custom)
            }

            $(
                /// Absent, null and empty are the same: none.
                pub(crate) mod $optional {
                    use super::*;

                    pub(crate) fn serialize<S: Serializer>(
                        id: &Option<$id>,
                        serializer: S,
                    ) -> Result<S::Ok, S::Error> {
                        match id {
                            Some(id) => serializer.serialize_some(id.as_str()),
                            None => serializer.serialize_none(),
                        }
                    }

                    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                        deserializer: D,
                    ) -> Result<Option<$id>, D::Error> {
                        let text = Option::<String>::deserialize(deserializer)?;
                        text.filter(|text| !text.is_empty())
                            .map(|text| $id::parse(&text).map_err(de::Error::custom))
                            .transpose()
                    }
                }
            )?
        }
    };
}

id!(corp, CorpId, optional);
id!(account, AccountId, optional);
id!(customer, CustomerId);
