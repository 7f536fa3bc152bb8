//! What is done with a whole reading, in this order: who is gone is found, and found again by a second reading; who is
//! gone is deleted, so that names and addresses are free; users are written; groups that are new; all groups with their
//! members.

use std::collections::HashSet;
use std::sync::Arc;

use super::reading::{Known, Tagged};
use super::work::{Outcome, Part, Places, Task, Work};
use super::{Doubt, Fault, Report, limits};
use crate::id::Id;
use crate::model::Kind;
use crate::time::Timestamp;

/// What follows a piece of work.
pub(super) enum Next {
    /// Another one.
    More,
    /// Whoever is missing has to be missing in another reading as well.
    ReadAgain,
    /// Nothing; with the tags of all pages, if all that they hold is written.
    End(Report, Option<Vec<Tagged>>),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Survey(Kind, u64),
    Delete,
    Write(Kind, Part),
}

/// A whole reading while it is written.
#[derive(Debug)]
pub(super) struct Applying {
    known: Arc<Known>,
    places: Arc<Places>,
    began: Timestamp,
    stage: Stage,
    /// What is to be deleted or written yet in this stage; the last first.
    gone: Vec<(Kind, Id)>,
    left: Vec<usize>,
    looked_at: usize,
    /// What a first reading missed, if there was one.
    suspects: Option<HashSet<Id>>,
    /// How often everything has been read.
    rounds: usize,
    /// What was refused in this pass, and how much in the one before.
    refused: Vec<super::Refused>,
    refused_before: usize,
    passes: usize,
    /// Whether something was left for the next reading.
    is_partial: bool,
    report: Report,
}

impl Applying {
    pub(super) fn new(known: Known, began: Timestamp) -> Self {
        Self {
            known: Arc::new(known),
            places: Arc::default(),
            began,
            stage: Stage::Survey(Kind::Account, 0),
            gone: Vec::new(),
            left: Vec::new(),
            looked_at: 0,
            suspects: None,
            rounds: 1,
            refused: Vec::new(),
            refused_before: usize::MAX,
            passes: 0,
            is_partial: false,
            report: Report::default(),
        }
    }

    /// Begins again with another reading, which is the one that counts.
    pub(super) fn confirm(&mut self, known: Known) {
        let suspects = self.gone.drain(..).map(|(_, id)| id);
        self.suspects = Some(suspects.collect());
        self.known = Arc::new(known);
        self.stage = Stage::Survey(Kind::Account, 0);
        self.report.doubt = None;
        self.rounds += 1;
    }

    /// The next piece of work.
    pub(super) fn next(&mut self) -> Work {
        let task = match self.stage {
            Stage::Survey(kind, after) => Task::Survey {
                kind,
                after,
                before: self.began,
            },
            Stage::Delete => {
                let from = self.gone.len().saturating_sub(limits::AT_ONCE);
                Task::Delete(self.gone.split_off(from))
            }
            Stage::Write(kind, part) => {
                let from = self.left.len().saturating_sub(limits::AT_ONCE);
                let mut places = self.left.split_off(from);
                places.reverse();
                Task::Write { kind, places, part }
            }
        };
        Work {
            known: Arc::clone(&self.known),
            places: Arc::clone(&self.places),
            task,
        }
    }

    /// Takes what came of it.
    pub(super) fn take(&mut self, outcome: Outcome, percent: u8) -> Result<Next, Fault> {
        let counts = &mut self.report.counts;
        counts.created += outcome.counts.created;
        counts.changed += outcome.counts.changed;
        counts.deleted += outcome.counts.deleted;
        counts.strangers += outcome.counts.strangers;
        Arc::make_mut(&mut self.places).extend(outcome.placed);
        self.refused.extend(outcome.refused);
        match self.stage {
            Stage::Survey(kind, _) => {
                self.looked_at += outcome.looked_at;
                self.gone.extend(outcome.gone);
                if let Some(next) = outcome.next {
                    self.stage = Stage::Survey(kind, next);
                    return Ok(Next::More);
                }
                self.surveyed(kind, percent)
            }
            Stage::Delete if self.gone.is_empty() => {
                self.begin(Kind::Account, Part::Itself);
                Ok(Next::More)
            }
            Stage::Write(kind, part) if self.left.is_empty() => Ok(self.written(kind, part)),
            Stage::Delete | Stage::Write(..) => Ok(Next::More),
        }
    }

    /// All of a kind has been looked at.
    fn surveyed(&mut self, kind: Kind, percent: u8) -> Result<Next, Fault> {
        let is_of_kind = |(one, _): &&(Kind, Id)| *one == kind;
        let gone = self.gone.iter().filter(is_of_kind).count();
        let doubt = self.known.of(kind).and_then(|listed| listed.doubt);
        let of = std::mem::take(&mut self.looked_at);
        if doubt.is_none() && gone * 100 > of * usize::from(percent) {
            return Err(Fault::TooManyGone { kind, gone, of });
        }
        if let Some(doubt) = doubt.filter(|_| gone > 0) {
            self.report.doubt = Some(doubt);
        }
        if kind == Kind::Account {
            self.stage = Stage::Survey(Kind::Group, 0);
            return Ok(Next::More);
        }
        Ok(self.all_surveyed())
    }

    /// Who is missing is gone if two readings say so, the last without a doubt.
    fn all_surveyed(&mut self) -> Next {
        let missing = self.gone.len();
        if let Some(suspects) = &self.suspects {
            self.gone.retain(|(_, id)| suspects.contains(id));
        }
        let is_another_needed = match self.report.doubt {
            Some(Doubt::Shifted) => self.rounds < limits::ROUNDS,
            Some(Doubt::Short) => false,
            None => self.suspects.is_none() && missing > 0,
        };
        if is_another_needed {
            return Next::ReadAgain;
        }
        let (known, certain) = (&self.known, self.suspects.is_some());
        self.gone.retain(|(kind, _)| {
            let doubt = known.of(*kind).and_then(|listed| listed.doubt);
            certain && doubt.is_none()
        });
        self.is_partial = missing > self.gone.len();
        self.stage = Stage::Delete;
        Next::More
    }

    /// Begins to write all of a kind.
    fn begin(&mut self, kind: Kind, part: Part) {
        let number = self
            .known
            .of(kind)
            .map_or(0, |listed| listed.resources.len());
        self.left = (0..number).rev().collect();
        self.refused_before = usize::MAX;
        self.passes = 0;
        self.stage = Stage::Write(kind, part);
    }

    /// A pass has ended. What conflicts is tried again as long as that helps: one may have what another gives up.
    fn written(&mut self, kind: Kind, part: Part) -> Next {
        let conflicts = self.refused.iter().filter(|one| one.is_conflict);
        let mut conflicts: Vec<usize> = conflicts.map(|one| one.place).collect();
        self.passes += 1;
        let helps = conflicts.len() < self.refused_before && self.passes < limits::PASSES;
        if !conflicts.is_empty() && helps {
            self.refused_before = conflicts.len();
            self.refused.retain(|one| !one.is_conflict);
            conflicts.reverse();
            self.left = conflicts;
            return Next::More;
        }
        match (kind, part) {
            (Kind::Account, _) => {
                self.report.refused.append(&mut self.refused);
                self.begin(Kind::Group, Part::Absent);
            }
            (Kind::Group, Part::Absent) => {
                // They are tried again with their members.
                self.refused.clear();
                self.begin(Kind::Group, Part::Whole);
            }
            (Kind::Group, _) => {
                self.report.refused.append(&mut self.refused);
                return self.end();
            }
        }
        Next::More
    }

    fn end(&mut self) -> Next {
        let mut report = std::mem::take(&mut self.report);
        report.users = self.known.accounts.resources.len();
        report.groups = self
            .known
            .groups
            .as_ref()
            .map(|groups| groups.resources.len());
        let listed = [Kind::Account, Kind::Group].map(|kind| self.known.of(kind));
        let is_certain = |one: &super::reading::Listed| one.doubt.is_none();
        report.is_whole = report.users > 0 && listed.into_iter().flatten().all(is_certain);
        let is_written = report.is_whole && report.refused.is_empty() && !self.is_partial;
        let tags = self
            .known
            .tags
            .clone()
            .filter(|tags| is_written && !tags.is_empty());
        Next::End(report, tags)
    }
}
