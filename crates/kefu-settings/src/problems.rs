//! All that is wrong with the settings at once, so that nobody mends one line to learn of the next.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use crate::{Settings, SettingsError};

/// Gathers what several checks find. What one of them needs of another's result it gets only if that was good.
#[derive(Debug)]
pub struct Problems<'s> {
    settings: &'s Settings,
    found: Vec<SettingsError>,
}

impl<'s> Problems<'s> {
    pub fn of(settings: &'s Settings) -> Problems<'s> {
        Problems {
            settings,
            found: Vec::new(),
        }
    }

    /// Notes an error, and hands on what is good.
    pub fn add<T>(&mut self, checked: Result<T, SettingsError>) -> Option<T> {
        checked.map_err(|error| self.note(error)).ok()
    }

    pub fn note(&mut self, error: SettingsError) {
        let error = self.settings.placed(error);
        // Two roles read the same section.
        if !self.found.contains(&error) {
            self.found.push(error);
        }
    }

    pub fn note_all(&mut self, errors: impl IntoIterator<Item = SettingsError>) {
        for error in errors {
            self.note(error);
        }
    }

    /// One section as its type, if nothing in it is wrong.
    pub fn section<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        self.note_all(self.settings.section_problems::<T>(name));
        self.settings.section(name).ok()
    }

    /// A section that holds one table per name; those that are good.
    pub fn entries<T: DeserializeOwned>(&mut self, name: &str) -> BTreeMap<String, T> {
        let (entries, problems) = self.settings.entries_and_problems(name);
        self.note_all(problems);
        entries
    }

    pub fn finish(self) -> Vec<SettingsError> {
        self.found
    }
}
