//! Files that come in: dropped on the page, or chosen. A dropped folder is walked to its end.

use archive::FILES_MAX;
use gloo::events::{EventListener, EventListenerOptions};
use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    DataTransfer, DragEvent, File, FileList, FileSystemDirectoryEntry, FileSystemEntry,
    FileSystemFileEntry,
};
use yew::prelude::*;

use super::reader::{PathAndFile, Reader};
use super::state::ReadTurn;

/// Opens what is dropped anywhere on the page.
#[hook]
pub(crate) fn use_drop(reader: &Reader) {
    let reader = reader.clone();
    use_effect_with((), move |()| {
        let document = web_sys::window().and_then(|window| window.document());
        let document = document.expect("the page is a document");
        let may_prevent = EventListenerOptions::enable_prevent_default();
        let over = EventListener::new_with_options(&document, "dragover", may_prevent, |event| {
            // Text that is dragged into the console is not ours.
            if transfer(event).is_some_and(|dragged| has_files(&dragged)) {
                event.prevent_default();
            }
        });
        let drop_it =
            EventListener::new_with_options(&document, "drop", may_prevent, move |event| {
                if let Some(dropped) = transfer(event).filter(has_files) {
                    event.prevent_default();
                    take(&reader, &dropped);
                }
            });
        move || drop((over, drop_it))
    });
}

fn transfer(event: &web_sys::Event) -> Option<DataTransfer> {
    event.dyn_ref::<DragEvent>().and_then(DragEvent::data_transfer)
}

fn has_files(dragged: &DataTransfer) -> bool {
    dragged.types().includes(&"Files".into(), 0)
}

/// The entries are there only while the event is: they are taken now, and read later.
fn take(reader: &Reader, dropped: &DataTransfer) {
    let items = dropped.items();
    let entry = |n| items.get(n).and_then(|item| item.webkit_get_as_entry().ok().flatten());
    let entries: Vec<FileSystemEntry> = (0..items.length()).filter_map(entry).collect();
    let reader = reader.clone();
    spawn_local(async move {
        let name = match &entries[..] {
            [one] => one.name(),
            several => format!("{} files", several.len()),
        };
        match walk(entries).await {
            Ok(files) => reader.open_and_forget(name, files),
            Err(why) => {
                reader.turn(ReadTurn::Opening(name));
                reader.turn(ReadTurn::Failed(why));
            }
        }
    });
}

/// All files below some entries.
async fn walk(mut left: Vec<FileSystemEntry>) -> Result<Vec<PathAndFile>, String> {
    let mut files = Vec::new();
    let mut seen = 0;
    while let Some(entry) = left.pop() {
        seen += 1;
        if seen > FILES_MAX {
            return Err(format!("more than {FILES_MAX} files and folders"));
        }
        let path = entry.full_path();
        let said = |error: JsValue| format!("{path} cannot be read: {error:?}");
        match entry.dyn_into::<FileSystemDirectoryEntry>() {
            Ok(folder) => left.extend(inside(&folder).await.map_err(said)?),
            Err(entry) => {
                let entry: FileSystemFileEntry = entry.unchecked_into();
                let file = Promise::new(&mut |done, failed| {
                    entry.file_with_callback_and_callback(&done, &failed);
                });
                let file: File = JsFuture::from(file).await.map_err(said)?.unchecked_into();
                files.push((path.trim_start_matches('/').to_owned(), file));
            }
        }
    }
    Ok(files)
}

/// A folder's entries come in batches; an empty one is the end.
async fn inside(folder: &FileSystemDirectoryEntry) -> Result<Vec<FileSystemEntry>, JsValue> {
    let reader = folder.create_reader();
    let mut entries = Vec::new();
    loop {
        let batch = Promise::new(&mut |done, failed| {
            // What it throws, the promise never gives: an ended reader gives an empty batch.
            let _ = reader.read_entries_with_callback_and_callback(&done, &failed);
        });
        let batch = Array::from(&JsFuture::from(batch).await?);
        if batch.length() == 0 {
            return Ok(entries);
        }
        entries.extend(batch.iter().map(JsCast::unchecked_into::<FileSystemEntry>));
    }
}

/// Opens what was chosen in a file input.
pub(super) fn open_list(reader: &Reader, list: &FileList) {
    let files: Vec<PathAndFile> =
        (0..list.length()).filter_map(|n| list.get(n)).map(|file| (path(&file), file)).collect();
    let name = match &files[..] {
        [] => return,
        [(_, file)] => file.name(),
        [(path, _), ..] => path.split('/').next().unwrap_or_default().to_owned(),
    };
    reader.open_and_forget(name, files);
}

/// With its folders, when a folder was chosen.
fn path(file: &File) -> String {
    let relative = Reflect::get(file, &"webkitRelativePath".into()).ok();
    let relative = relative.and_then(|path| path.as_string()).filter(|path| !path.is_empty());
    relative.unwrap_or_else(|| file.name())
}
