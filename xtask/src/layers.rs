//! The order of dependence among the files of the runtime, and among those of the macros, as `ARCHITECTURE.md` draws it: a file
//! uses files of its own layer and of those below, and no files use each other in a circle.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, Item, UseTree,
    visit::{self, Visit},
};

/// The modules whose order the page draws: the crate, the module whose files it is about (none for all of the crate), and the block
/// that names its layers from the ground up, one a line: `name: modules`.
const DRAWN: [(&str, &str, &str); 4] = [
    ("runtime/src", "", "```layers\n"),
    ("runtime/src", "store", "```store-layers\n"),
    ("runtime/src", "store::redis", "```redis-layers\n"),
    ("macros/src", "", "```macro-layers\n"),
];

/// Modules that only tests have.
const OF_TESTS: [&str; 4] = ["tests", "suite", "interleavings", "snapshots"];

/// Modules by their paths below the crate, with the modules that each uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// What is wrong with a crate's source, given the page that draws its layers: one line each.
fn problems(source: &Path, page: &str, inside: &str, fence: &str) -> Vec<String> {
    let uses = uses(&modules(source));
    let mut problems = outside_of_layers(&within(&uses, inside), &layers(page, fence));
    problems.extend(circles(&uses).into_iter().map(|circle| format!("a circle: {}", circle.join(", "))));
    problems
}

fn layers(page: &str, fence: &str) -> BTreeMap<String, (usize, String)> {
    let block = page.split_once(fence).and_then(|(_, rest)| rest.split_once("```"));
    let (block, _) = block.expect("`ARCHITECTURE.md` has a block of layers");
    let lines = block.lines().enumerate();
    lines
        .flat_map(|(height, line)| {
            let (name, modules) = line.split_once(':').expect("a layer is `name: modules`");
            modules.split_whitespace().map(move |module| (module.to_owned(), (height, name.to_owned())))
        })
        .collect()
}

/// The modules inside of one, by their paths below it. The module itself goes by its own name.
fn within(uses: &Uses, inside: &str) -> Uses {
    let below = |module: &String| {
        let rest = match module.strip_prefix(inside)? {
            _ if inside.is_empty() => module,
            "" => inside.rsplit("::").next().unwrap_or_default(),
            rest => rest.strip_prefix("::")?,
        };
        Some(rest.to_owned())
    };
    let all_below = |others: &BTreeSet<String>| others.iter().filter_map(below).collect();
    uses.iter().filter_map(|(module, others)| Some((below(module)?, all_below(others)))).collect()
}

fn outside_of_layers(uses: &Uses, layers: &BTreeMap<String, (usize, String)>) -> Vec<String> {
    let mut problems = BTreeSet::new();
    for (module, used) in uses {
        let top = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
        let Some((height, layer)) = layers.get(&top(module)) else {
            problems.insert(format!("`{}` is in no layer of ARCHITECTURE.md", top(module)));
            continue;
        };
        for used in used {
            if let Some((above, of)) = layers.get(&top(used))
                && above > height
            {
                problems.insert(format!("`{module}` ({layer}) uses `{used}` ({of}), which lies above it"));
            }
        }
    }
    for module in layers.keys() {
        if !uses.keys().any(|file| file.split("::").next() == Some(module)) {
            problems
                .insert(format!("ARCHITECTURE.md has `{module}` in a layer, and there is no such module"));
        }
    }
    problems.into_iter().collect()
}

/// Groups of modules that all reach each other.
fn circles(uses: &Uses) -> Vec<Vec<String>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|from| (&**from, reach(uses, from))).collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (from, to) in &reached {
        if !to.contains(from) {
            continue;
        }
        let members = to.iter().filter(|to| reached[*to].contains(from));
        circles.insert(members.map(|member| (*member).to_owned()).collect());
    }
    circles.into_iter().collect()
}

/// What a module uses, directly or through others.
fn reach<'a>(uses: &'a Uses, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = uses[from].iter().map(String::as_str).collect();
    while let Some(module) = next.pop() {
        if reached.insert(module) {
            next.extend(uses[module].iter().map(String::as_str));
        }
    }
    reached
}

/// The files of a crate, by the paths of their modules. The crate's root is left out: it only lists the others.
fn modules(source: &Path) -> BTreeMap<String, syn::File> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).expect("the source can be read").flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Some(module) = module(source, &path) {
                let text = fs::read_to_string(&path).expect("the source can be read");
                let file =
                    syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                modules.insert(module, file);
            }
        }
    }
    modules
}

/// The module that a file is, if it is one of the product.
fn module(source: &Path, path: &Path) -> Option<String> {
    if path.extension().is_none_or(|extension| extension != "rs") {
        return None;
    }
    let path: PathBuf = path.strip_prefix(source).ok()?.with_extension("");
    let mut parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
    if parts.last() == Some(&"mod") {
        parts.pop();
    }
    let is_product = parts != ["lib"] && !parts.iter().any(|part| OF_TESTS.contains(part));
    is_product.then(|| parts.join("::"))
}

fn uses(modules: &BTreeMap<String, syn::File>) -> Uses {
    let mut uses = Uses::new();
    for (module, file) in modules {
        let mut paths = Paths::default();
        paths.visit_file(file);
        let others = paths.found.iter().filter_map(|path| resolve(modules, module, path));
        uses.insert(module.clone(), others.filter(|other| other != module).collect());
    }
    uses
}

/// The file that a path leads to, seen from a module.
fn resolve(modules: &BTreeMap<String, syn::File>, from: &str, path: &[String]) -> Option<String> {
    let mut place: Vec<&str> = Vec::new();
    let mut rest = path.iter().map(String::as_str).peekable();
    match rest.next()? {
        "crate" => {}
        "self" => place.extend(from.split("::")),
        "super" => {
            place.extend(from.split("::"));
            place.pop();
            while rest.next_if_eq(&"super").is_some() {
                place.pop();
            }
        }
        // A path that begins with the name of a module of this file. A name by itself may be a variable's.
        child => {
            rest.peek()?;
            place.extend(from.split("::"));
            place.push(child);
            if !modules.contains_key(&place.join("::")) {
                return None;
            }
        }
    }
    place.extend(rest);
    (1..=place.len()).rev().map(|length| place[..length].join("::")).find(|path| modules.contains_key(path))
}

/// The paths of a file that begin inside of its crate.
#[derive(Default)]
struct Paths {
    found: BTreeSet<Vec<String>>,
}

impl Paths {
    fn add_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| {
            let mut path = before.to_vec();
            path.push(name.to_string());
            path
        };
        match tree {
            UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => drop(self.found.insert(with(&name.ident))),
            UseTree::Rename(name) => drop(self.found.insert(with(&name.ident))),
            UseTree::Glob(_) => drop(self.found.insert(before.to_vec())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(before, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            _ => &[],
        };
        let is_tests = matches!(item, Item::Mod(item) if OF_TESTS.contains(&item.ident.to_string().as_str()));
        if !is_tests && !attributes.iter().any(is_for_tests) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    /// Who may see an item uses nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.found.insert(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    #[test]
    fn every_file_lies_above_what_it_uses() {
        let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
        for (source, inside, fence) in DRAWN {
            let problems = problems(&root().join(source), &page, inside, fence);
            assert!(problems.is_empty(), "{source}, {inside}:\n{}", problems.join("\n"));
        }
    }

    fn parsed(files: &[(&str, &str)]) -> Uses {
        let files = files.iter().map(|(module, text)| ((*module).to_owned(), syn::parse_file(text).unwrap()));
        uses(&files.collect())
    }

    #[test]
    fn what_lies_above_and_circles_are_found() {
        let uses = parsed(&[
            ("ground", "use crate::top::{deep::Thing, Other};"),
            ("top", "mod deep; fn here() { super::ground::there() }"),
            ("top::deep", "use super::*; #[cfg(test)] mod tests { use crate::nowhere; }"),
            ("left", "use crate::right;"),
            ("right", "fn back() { crate::left::go() }"),
        ]);
        let layers = layers("```layers\nbelow: ground left right\nabove: top gone\n```", "```layers\n");
        assert_eq!(
            outside_of_layers(&uses, &layers),
            [
                "ARCHITECTURE.md has `gone` in a layer, and there is no such module",
                "`ground` (below) uses `top::deep` (above), which lies above it",
                "`ground` (below) uses `top` (above), which lies above it",
            ]
        );
        assert_eq!(circles(&uses), [vec!["ground", "top", "top::deep"], vec!["left", "right"]]);
    }

    #[test]
    fn layers_inside_of_a_module_are_held() {
        let uses = parsed(&[
            ("other", "use crate::store::redis::Thing;"),
            ("store", "enum Store { One(redis::Thing) }"),
            (
                "store::redis",
                "use self::{low::A, high::B}; use crate::other::C; fn f(high: u8) -> u8 { high }",
            ),
            ("store::redis::low", "use super::high::B; fn g() { redis::cmd() }"),
            ("store::redis::high", ""),
            ("store::redish", ""),
        ]);
        assert_eq!(uses["store"], BTreeSet::from(["store::redis".to_owned()]), "by the name of its module");
        let inside = within(&uses, "store::redis");
        assert_eq!(inside.keys().collect::<Vec<_>>(), ["high", "low", "redis"]);
        let layers = layers("```redis-layers\nbelow: low\nabove: high redis\n```", "```redis-layers\n");
        assert_eq!(
            outside_of_layers(&inside, &layers),
            ["`low` (below) uses `high` (above), which lies above it"]
        );
    }

    #[test]
    fn a_module_without_a_layer_is_found() {
        let uses = parsed(&[("new", "")]);
        assert_eq!(outside_of_layers(&uses, &BTreeMap::new()), ["`new` is in no layer of ARCHITECTURE.md"]);
    }
}
