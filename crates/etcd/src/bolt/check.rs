//! The walk over everything: each page in use or free, exactly once; keys in order and in bounds.
//!
//! The walk is iterative. A page is entered once, so cycles end; elements are counted against the
//! bytes of the file, so elements that lie over each other end too.

use bytes::Bytes;

use super::bucket::{Bucket, Root};
use super::cursor::DEPTH_MAX;
use super::page::{ELEMENT_BYTES, HEADER_BYTES, Page};
use super::{Fault, File, PageKind, Problem};

/// A check ends after so many problems.
pub const PROBLEMS_MAX: usize = 1000;

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Check {
    /// What is wrong, in the order in which it was met; at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// What the file is made of, as far as it could be reached.
    pub statistics: Statistics,
}

/// What a file is made of. The root bucket, which names the others, counts as pages and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Branch pages, without overflow.
    pub branch_pages: u64,
    /// Pages that continue branch pages.
    pub branch_overflow_pages: u64,
    /// Leaf pages, without overflow.
    pub leaf_pages: u64,
    /// Pages that continue leaf pages.
    pub leaf_overflow_pages: u64,
    /// Pages of the freelist, if the file has one.
    pub freelist_pages: u64,
    /// Pages that nothing uses.
    pub free_pages: u64,
    /// Buckets, nested ones too, without the root.
    pub buckets: u64,
    /// Buckets without a page of their own.
    pub inline_buckets: u64,
    /// Keys that hold bytes.
    pub keys: u64,
    /// Pages from a bucket's root to its deepest leaf, the most of any; 1 for inline buckets.
    pub depth: u64,
    /// Bytes of branch pages that hold something.
    pub branch_bytes_in_use: u64,
    /// Bytes of leaf pages that hold something, inline buckets included.
    pub leaf_bytes_in_use: u64,
}

pub(super) fn check(file: &File) -> Check {
    walk(file).finish().0
}

/// The check, and the pages that nothing uses, as runs: first page and how many.
pub(super) fn check_and_free(file: &File) -> (Check, Vec<(u64, u64)>) {
    walk(file).finish()
}

fn walk(file: &File) -> Walk<'_> {
    let mut walk = Walk::new(file);
    walk.claim_metas();
    walk.claim_freelist();
    walk.tree(file.meta().root, true);
    while let Some(step) = walk.open.pop() {
        if walk.is_over() {
            break;
        }
        walk.enter(&step);
    }
    walk
}

/// What a page is known to be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Unknown,
    Reached,
    Listed,
}

/// A page to enter, and what the branch above says of it.
struct Step {
    page: u64,
    /// Pages from the bucket's root to this one, itself included.
    depth: u64,
    is_of_root_bucket: bool,
    /// No key is below.
    from: Bytes,
    /// All keys are below.
    to: Option<Bytes>,
}

struct Walk<'a> {
    file: &'a File,
    uses: Vec<Use>,
    open: Vec<Step>,
    /// Elements that the file can still hold.
    room: u64,
    found: Check,
}

impl<'a> Walk<'a> {
    fn new(file: &'a File) -> Walk<'a> {
        let pages = usize::try_from(file.pages_in_file()).unwrap_or(usize::MAX);
        let room = file.len() / ELEMENT_BYTES as u64;
        Walk {
            file,
            uses: vec![Use::Unknown; pages],
            open: Vec::new(),
            room,
            found: Check::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.found.problems.len() >= PROBLEMS_MAX
    }

    fn report(&mut self, problem: Problem) {
        if !self.is_over() {
            self.found.problems.push(problem);
        }
    }

    fn report_page(&mut self, page: u64, fault: Fault) {
        self.report(Problem { page, offset: self.file.offset(page), fault });
    }

    fn usage(&mut self, page: u64) -> Option<&mut Use> {
        self.uses.get_mut(usize::try_from(page).ok()?)
    }

    /// The meta pages belong to nobody else.
    fn claim_metas(&mut self) {
        self.uses.iter_mut().take(2).for_each(|usage| *usage = Use::Reached);
    }

    fn claim_freelist(&mut self) {
        let Some(id) = self.file.meta().freelist else { return };
        match self.file.page(id).and_then(|page| Ok((super::freelist::read(&page)?, page))) {
            Ok((free, page)) => {
                self.reach(&page);
                self.found.statistics.freelist_pages = u64::from(page.overflow) + 1;
                for id in free {
                    self.list(id);
                }
            }
            Err(problem) => self.report(problem),
        }
    }

    /// Notes a page of the freelist.
    fn list(&mut self, id: u64) {
        let high_water = self.file.meta().high_water;
        match self.usage(id) {
            Some(usage @ Use::Unknown) => *usage = Use::Listed,
            Some(Use::Listed) => self.report_page(id, Fault::AlreadyFreed),
            Some(Use::Reached) => self.report_page(id, Fault::ReachableFreed),
            None if id < high_water => {}
            None => self.report_page(id, Fault::OutOfBounds { high_water }),
        }
    }

    /// Notes a page in use with its overflow; `false` if it is in use already.
    fn reach(&mut self, page: &Page) -> bool {
        let mut is_new = true;
        for id in page.id..=page.id + u64::from(page.overflow) {
            match self.usage(id) {
                Some(usage @ Use::Unknown) => *usage = Use::Reached,
                Some(usage @ Use::Listed) => {
                    *usage = Use::Reached;
                    self.report_page(id, Fault::ReachableFreed);
                }
                Some(Use::Reached) => {
                    is_new = false;
                    self.report_page(id, Fault::MultipleReferences);
                }
                None => {}
            }
        }
        is_new
    }

    fn tree(&mut self, page: u64, is_of_root_bucket: bool) {
        self.open.push(Step { page, depth: 1, is_of_root_bucket, from: Bytes::new(), to: None });
    }

    fn enter(&mut self, step: &Step) {
        let page = match self.file.page(step.page) {
            Ok(page) => page,
            Err(problem) => return self.report(problem),
        };
        if !self.reach(&page) {
            return;
        }
        if let Some(fault) = page.stray_flags() {
            self.report(page.problem(fault));
        }
        if step.depth > DEPTH_MAX as u64 {
            self.report(page.problem(Fault::TooDeep { limit: DEPTH_MAX }));
            return;
        }
        if page.len() == 0 && (step.depth > 1 || page.kind == PageKind::Branch) {
            self.report(page.problem(Fault::Empty));
        }
        match page.kind {
            PageKind::Branch => self.branch(&page, step),
            PageKind::Leaf => {
                let statistics = &mut self.found.statistics;
                statistics.leaf_pages += 1;
                statistics.leaf_overflow_pages += u64::from(page.overflow);
                if !step.is_of_root_bucket {
                    statistics.depth = statistics.depth.max(step.depth);
                }
                self.leaf(&page, step, false);
            }
            found @ (PageKind::Meta | PageKind::Freelist) => {
                let expected = "a branch or leaf";
                self.report(page.problem(Fault::WrongType { expected, found }));
            }
        }
    }

    fn branch(&mut self, page: &Page, step: &Step) {
        let statistics = &mut self.found.statistics;
        statistics.branch_pages += 1;
        statistics.branch_overflow_pages += u64::from(page.overflow);
        let mut children: Vec<Step> = Vec::new();
        let mut bytes = HEADER_BYTES;
        for index in 0..page.len() {
            if !self.spend(page) {
                return;
            }
            let element = match page.branch(index) {
                Ok(element) => element,
                Err(problem) => {
                    self.report(problem);
                    continue;
                }
            };
            bytes += ELEMENT_BYTES + element.key.len();
            let before = children.last().map(|child| &child.from);
            self.check_key(page, index, &element.key, before, step);
            if let Some(before) = children.last_mut() {
                before.to = Some(element.key.clone());
            }
            let &Step { depth, is_of_root_bucket, .. } = step;
            let (depth, to) = (depth + 1, step.to.clone());
            children.push(Step {
                page: element.child,
                depth,
                is_of_root_bucket,
                from: element.key,
                to,
            });
        }
        self.found.statistics.branch_bytes_in_use += bytes as u64;
        self.open.extend(children.into_iter().rev());
    }

    fn leaf(&mut self, page: &Page, step: &Step, is_inline: bool) {
        let mut before: Option<Bytes> = None;
        let mut bytes = HEADER_BYTES;
        for index in 0..page.len() {
            if self.is_over() || !self.spend(page) {
                return;
            }
            let element = match page.leaf(index) {
                Ok(element) => element,
                Err(problem) => {
                    self.report(problem);
                    continue;
                }
            };
            bytes += ELEMENT_BYTES + element.key.len() + element.value.len();
            self.check_key(page, index, &element.key, before.as_ref(), step);
            if !element.is_bucket {
                self.found.statistics.keys += 1;
            } else if is_inline {
                self.report(page.element_problem(index, Fault::BucketInInline { index }));
            } else {
                match Bucket::of_element(self.file, page, index, &element) {
                    Ok(bucket) => self.bucket(&bucket),
                    Err(problem) => self.report(problem),
                }
            }
            before = Some(element.key);
        }
        if !is_inline {
            self.found.statistics.leaf_bytes_in_use += bytes as u64;
        }
    }

    fn bucket(&mut self, bucket: &Bucket<'_>) {
        self.found.statistics.buckets += 1;
        match bucket.root() {
            Root::Page(page) => self.tree(*page, false),
            Root::Inline(page) => {
                let statistics = &mut self.found.statistics;
                statistics.inline_buckets += 1;
                statistics.depth = statistics.depth.max(1);
                if page.kind == PageKind::Leaf {
                    let (depth, is_of_root_bucket) = (1, false);
                    let from = Bytes::new();
                    let step = Step { page: page.id, depth, is_of_root_bucket, from, to: None };
                    self.leaf(page, &step, true);
                } else {
                    let (expected, found) = ("a leaf", page.kind);
                    self.report(page.problem(Fault::WrongType { expected, found }));
                }
            }
        }
    }

    fn check_key(
        &mut self,
        page: &Page,
        index: usize,
        key: &Bytes,
        before: Option<&Bytes>,
        step: &Step,
    ) {
        let is_first_of_branch = page.kind == PageKind::Branch && index == 0;
        let fault = if before.is_some_and(|before| before >= key) {
            Fault::KeyOrder { index }
        } else if *key < step.from || step.to.as_ref().is_some_and(|to| key >= to) {
            Fault::KeyBounds { index }
        } else if key.is_empty() && !is_first_of_branch {
            Fault::EmptyKey { index }
        } else {
            return;
        };
        self.report(page.element_problem(index, fault));
    }

    /// Takes room for one element.
    fn spend(&mut self, page: &Page) -> bool {
        let left = self.room.checked_sub(1);
        self.room = left.unwrap_or(0);
        if left.is_none() {
            self.report(page.problem(Fault::Overlap));
        }
        left.is_some()
    }

    fn finish(mut self) -> (Check, Vec<(u64, u64)>) {
        let is_listed = self.file.meta().freelist.is_some();
        let uses = std::mem::take(&mut self.uses);
        let mut free: Vec<(u64, u64)> = Vec::new();
        for (id, usage) in (0..).zip(uses) {
            match usage {
                Use::Reached => continue,
                Use::Unknown if is_listed => self.report_page(id, Fault::UnreachableUnfreed),
                Use::Unknown | Use::Listed => self.found.statistics.free_pages += 1,
            }
            match free.last_mut() {
                Some((first, pages)) if *first + *pages == id => *pages += 1,
                Some(_) | None => free.push((id, 1)),
            }
        }
        // Pages that the file was never long enough for have not been used either.
        let (end, high_water) = (self.file.pages_in_file(), self.file.meta().high_water);
        if end < high_water {
            free.push((end, high_water - end));
        }
        (self.found, free)
    }
}
