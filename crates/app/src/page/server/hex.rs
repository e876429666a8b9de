//! One record, byte by byte, and what the bytes mean. Pointing at a byte lights its field, and the
//! other way round.

use sim::view::{FieldView, WalRow};
use yew::prelude::*;

use crate::page::quantity::{offset, size};

use super::wal::crc;

/// Bytes in a line.
const LINE: usize = 8;

/// What is shown.
#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    /// The record.
    pub(crate) row: WalRow,
    /// Whether it is a record of the log: others have no chained checksum.
    #[prop_or(true)]
    pub(crate) is_of_log: bool,
}

/// A record beside its bytes.
#[component]
pub(crate) fn Record(props: &Props) -> Html {
    let row = &props.row;
    let lit = use_state_eq(|| None::<usize>);
    let light = {
        let lit = lit.clone();
        Callback::from(move |field: Option<usize>| lit.set(field))
    };
    html! {
        <div class="record" tabindex="0" role="region" aria-label="Bytes">
            <h3>
                { &row.kind }
                <span class="quiet">{ format!("{} at {}", size(row.length), offset(row.offset)) }</span>
                if props.is_of_log {
                    <span class="quiet">{ "crc " }<span class="mono">{ format!("{:08x} ", row.crc) }</span>{ crc(row.crc_ok) }</span>
                }
            </h3>
            <p class="tag">{ &row.summary }</p>
            <Bytes bytes={row.bytes.clone()} fields={row.fields.clone()} lit={*lit} light={light.clone()} />
            <Fields fields={row.fields.clone()} lit={*lit} {light} />
        </div>
    }
}

/// The innermost field that a byte belongs to.
fn field_at(fields: &[FieldView], byte: usize) -> Option<usize> {
    let holds = |field: &FieldView| {
        (usize::try_from(field.start).unwrap_or(0)..usize::try_from(field.end).unwrap_or(0))
            .contains(&byte)
    };
    let held = fields.iter().enumerate().filter(|(_, field)| holds(field));
    held.min_by_key(|(_, field)| field.end - field.start).map(|(n, _)| n)
}

#[derive(Properties, PartialEq)]
pub(crate) struct BytesProps {
    /// Where the first byte stands.
    #[prop_or_default]
    pub(crate) from: u64,
    pub(crate) bytes: Vec<u8>,
    #[prop_or_default]
    pub(crate) fields: Vec<FieldView>,
    #[prop_or_default]
    pub(crate) lit: Option<usize>,
    #[prop_or_default]
    pub(crate) light: Callback<Option<usize>>,
}

/// Bytes, eight to a line.
#[component]
pub(crate) fn Bytes(props: &BytesProps) -> Html {
    let cells: Vec<Cell> = cells(props);
    html! {
        <div class="hex" role="img" aria-label={format!("{} bytes", props.bytes.len())}>
            { for cells.chunks(LINE).enumerate().map(|(n, line)| html! {
                <div class="hex-row">
                    <span class="at">{ format!("{:04x}", props.from + (n * LINE) as u64) }</span>
                    <span class="bytes">{ for line.iter().map(|cell| cell.draw(format!("{:02x}", cell.byte), &props.light)) }</span>
                    <span class="chars">{ for line.iter().map(|cell| cell.draw(printable(cell.byte), &props.light)) }</span>
                </div>
            }) }
        </div>
    }
}

/// A byte and how it is drawn.
struct Cell {
    byte: u8,
    field: Option<usize>,
    lit: bool,
}

fn cells(props: &BytesProps) -> Vec<Cell> {
    let lit = props.lit.and_then(|lit| props.fields.get(lit));
    let is_lit = |byte: usize| {
        let byte = u32::try_from(byte).unwrap_or(u32::MAX);
        lit.is_some_and(|field| (field.start..field.end).contains(&byte))
    };
    let cell = |(n, byte): (usize, &u8)| Cell {
        byte: *byte,
        field: field_at(&props.fields, n),
        lit: is_lit(n),
    };
    props.bytes.iter().enumerate().map(cell).collect()
}

impl Cell {
    fn draw(&self, text: String, light: &Callback<Option<usize>>) -> Html {
        let field = self.field;
        let (enter, leave) = (light.clone(), light.clone());
        let shade = field.map(|field| (field % 2).to_string());
        html! {
            <span class={classes!("byte", self.lit.then_some("lit"), field.is_none().then_some("padding"))}
                data-shade={shade}
                onmouseenter={Callback::from(move |_| enter.emit(field))}
                onmouseleave={Callback::from(move |_| leave.emit(None))}>{ text }</span>
        }
    }
}

fn printable(byte: u8) -> String {
    let shown = if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '·' };
    shown.to_string()
}

#[derive(Properties, PartialEq)]
struct FieldsProps {
    #[prop_or_default]
    pub(crate) fields: Vec<FieldView>,
    #[prop_or_default]
    pub(crate) lit: Option<usize>,
    #[prop_or_default]
    pub(crate) light: Callback<Option<usize>>,
}

#[component]
fn Fields(props: &FieldsProps) -> Html {
    let one = |(n, field): (usize, &FieldView)| {
        let (enter, leave) = (props.light.clone(), props.light.clone());
        html! {
            <tr class={classes!((props.lit == Some(n)).then_some("lit"))}
                onmouseenter={Callback::from(move |_| enter.emit(Some(n)))}
                onmouseleave={Callback::from(move |_| leave.emit(None))}>
                <td>{ &field.name }</td><td>{ &field.value }</td>
                <td>{ format!("{}–{}", field.start, field.end.saturating_sub(1)) }</td>
            </tr>
        }
    };
    html! { <table class="fields"><tbody>{ for props.fields.iter().enumerate().map(one) }</tbody></table> }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(start: u32, end: u32) -> FieldView {
        FieldView { name: String::new(), start, end, value: String::new() }
    }

    #[test]
    fn a_byte_belongs_to_its_innermost_field() {
        let fields = [field(0, 8), field(8, 30), field(12, 20)];
        assert_eq!(field_at(&fields, 3), Some(0));
        assert_eq!(field_at(&fields, 9), Some(1));
        assert_eq!(field_at(&fields, 12), Some(2));
        assert_eq!(field_at(&fields, 30), None, "padding has no name");
    }

    #[test]
    fn bytes_that_are_not_text_are_dots() {
        assert_eq!(printable(b'h'), "h");
        assert_eq!(printable(0), "·");
        assert_eq!(printable(0xff), "·");
    }
}
