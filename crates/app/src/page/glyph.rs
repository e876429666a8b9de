//! Shapes: what a role, a message or a button looks like without any colour.

use yew::prelude::*;

use super::scene::Part;

/// The outline of a role's glyph around the origin, `size` from centre to tip.
pub(crate) fn role_path(part: Part, size: f64) -> String {
    match part {
        Part::Leader => polygon(&[(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)], size),
        Part::Candidate | Part::PreCandidate => {
            polygon(&[(0.0, -0.95), (1.0, 0.8), (-1.0, 0.8)], size)
        }
        Part::Follower | Part::Booting => circle(size * 0.85),
        Part::Down | Part::Failed => {
            let k = size * 0.75;
            format!("M-{k} -{k}L{k} {k}M{k} -{k}L-{k} {k}")
        }
    }
}

/// The outline of a message's shape around the origin.
pub(crate) fn message_path(class: &str) -> &'static str {
    match class {
        "append" => {
            "M-5.5 -8h11a2.5 2.5 0 0 1 2.5 2.5v11a2.5 2.5 0 0 1 -2.5 2.5h-11a2.5 2.5 0 0 1 -2.5 -2.5v-11a2.5 2.5 0 0 1 2.5 -2.5z"
        }
        "vote" => "M0 -11.5L10.5 7.5L-10.5 7.5z",
        "client" => "M-5 -8.5L5 -8.5L10 0L5 8.5L-5 8.5L-10 0z",
        _ => "M-7.5 0a7.5 7.5 0 1 0 15 0a7.5 7.5 0 1 0 -15 0",
    }
}

fn polygon(corners: &[(f64, f64)], size: f64) -> String {
    let corner = |(n, (x, y)): (usize, &(f64, f64))| {
        format!("{}{:.1} {:.1}", if n == 0 { 'M' } else { 'L' }, x * size, y * size)
    };
    corners.iter().enumerate().map(corner).chain(["z".to_owned()]).collect()
}

fn circle(r: f64) -> String {
    format!("M-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0", d = r * 2.0)
}

/// A role's glyph among words.
pub(crate) fn role_inline(part: Part) -> Html {
    html! {
        <svg class={classes!("glyph-inline", part.class())} viewBox="-8 -8 16 16" aria-hidden="true">
            <path d={role_path(part, 6.0)} />
        </svg>
    }
}

/// A button's picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    /// A triangle.
    Play,
    /// Two bars.
    Pause,
    /// A bar and a triangle.
    Step,
    /// An arrow out of a box.
    Share,
    /// Half a disc.
    ThemeAuto,
    /// The sun.
    ThemeLight,
    /// The moon.
    ThemeDark,
    /// A folder.
    Open,
    /// A question.
    Help,
    /// A cross.
    Close,
}

impl Icon {
    /// The picture.
    pub(crate) fn draw(self) -> Html {
        html! { <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">{ self.strokes() }</svg> }
    }

    fn strokes(self) -> Html {
        match self {
            Icon::Play => html! { <path class="solid" d="M4.5 2.6v10.8L13.2 8z" /> },
            Icon::Pause => html! { <path class="solid" d="M4 3h2.8v10H4zM9.2 3H12v10H9.2z" /> },
            Icon::Step => html! { <path class="solid" d="M3.5 3v10L10 8zM11 3h1.8v10H11z" /> },
            Icon::Share => html! { <path d="M8 10V2m0 0L5 5m3-3 3 3M3.5 8.5v4.7h9V8.5" /> },
            Icon::Open => html! { <path d="M2 12.8V3.4h4l1.4 1.8H14v7.6z" /> },
            Icon::ThemeAuto => html! {
                <><circle cx="8" cy="8" r="5.5" /><path class="solid" d="M8 2.5a5.5 5.5 0 0 1 0 11z" /></>
            },
            Icon::ThemeLight => html! {
                <><circle cx="8" cy="8" r="2.8" /><path d="M8 1.2v1.4M8 13.4v1.4M1.2 8h1.4M13.4 8h1.4M3.2 3.2l1 1M11.8 11.8l1 1M12.8 3.2l-1 1M4.2 11.8l-1 1" /></>
            },
            Icon::ThemeDark => {
                html! { <path d="M13 9.6A5.6 5.6 0 1 1 6.4 3a4.6 4.6 0 0 0 6.6 6.6z" /> }
            }
            Icon::Help => html! {
                <><circle cx="8" cy="8" r="6" /><path d="M6.2 6.2a1.9 1.9 0 1 1 2.6 1.9c-.6.3-.8.6-.8 1.2" /><circle class="solid" cx="8" cy="11.3" r=".8" /></>
            },
            Icon::Close => html! { <path d="M4 4l8 8M12 4l-8 8" /> },
        }
    }
}

/// The name's own picture: three servers, one of them leads.
pub(crate) fn mark() -> Html {
    html! {
        <svg viewBox="0 0 32 32" aria-hidden="true">
            <circle class="mark-ring" cx="16" cy="17.5" r="10" />
            <circle class="mark-follower" cx="7.3" cy="22.5" r="4" />
            <circle class="mark-follower" cx="24.7" cy="22.5" r="4" />
            <path class="mark-leader" d="M16 1.5 22 7.5 16 13.5 10 7.5z" />
        </svg>
    }
}
