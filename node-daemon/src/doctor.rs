//! temporary
use std::collections::BTreeMap;
use std::path::Path;
use crate::folder::Data;
/// x
#[derive(Debug)]
pub struct Ability;
/// x
#[must_use] pub fn abilities(_: &Data, _: &Path, _: &Path) -> Vec<Ability> { vec![] }
/// x
#[must_use] pub fn as_hello(_: &[Ability]) -> BTreeMap<String, String> { BTreeMap::new() }
/// x
#[must_use] pub fn run(_: &Path, _: &Path, _: &Path, _: bool) -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
