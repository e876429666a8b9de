//! Where servers stand: on an ellipse that fills the stage, the first at the top, then clockwise.
//!
//! Lengths are CSS pixels: the stage's coordinates are the screen's, so that text has one size.

use std::f64::consts::{FRAC_PI_2, TAU};

/// A place on the stage.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Point {
    /// To the right.
    pub(crate) x: f64,
    /// Down.
    pub(crate) y: f64,
}

impl Point {
    /// The place on the way to `to`, at 0 here and at 1 there.
    pub(crate) fn towards(self, to: Point, share: f64) -> Point {
        Point { x: self.x + (to.x - self.x) * share, y: self.y + (to.y - self.y) * share }
    }

    /// How far it is to `to`.
    pub(crate) fn distance(self, to: Point) -> f64 {
        let (across, down) = (to.x - self.x, to.y - self.y);
        (across * across + down * down).sqrt()
    }
}

/// The stage's extent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Extent {
    /// Width.
    pub(crate) width: f64,
    /// Height.
    pub(crate) height: f64,
}

impl Default for Extent {
    fn default() -> Self {
        Self { width: 720.0, height: 480.0 }
    }
}

/// How much of a server there is room to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Name, role, term, commit.
    Full,
    /// Name and role.
    Short,
    /// Name alone; the rest is in the panel and in the label.
    Name,
}

/// The places of all servers on a stage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ring {
    /// In the order of their numbers.
    pub(crate) places: Vec<Point>,
    /// Of each server's disc.
    pub(crate) radius: f64,
    /// What fits beside the discs.
    pub(crate) detail: Detail,
    stage: Extent,
}

/// Kept free below the ring: the acts at hand.
const BELOW: f64 = 62.0;
/// A disc is never larger.
const RADIUS_MAX: f64 = 42.0;
/// A disc is never smaller: a fingertip.
const RADIUS_MIN: f64 = 13.0;

impl Ring {
    /// Places `servers` servers.
    pub(crate) fn new(servers: usize, stage: Extent) -> Ring {
        let short_side = (stage.height - above(stage) - BELOW).min(stage.width).max(1.0);
        let radius = Self::radius(servers, short_side);
        let detail = Self::detail(servers, radius);
        let label = match detail {
            Detail::Full => 38.0,
            Detail::Short => 20.0,
            Detail::Name => 4.0,
        };
        let beside = radius + if detail == Detail::Name { 8.0 } else { 44.0 };
        let top = above(stage) + radius + 6.0;
        let bottom = (stage.height - BELOW - radius - label).max(top + 1.0);
        let across = (stage.width / 2.0 - beside).clamp(1.0, ((bottom - top) * 0.95).max(1.0));
        let on_circle: Vec<Point> = (0..servers).map(|n| on_circle(n, servers)).collect();
        // A triangle does not reach as far down as the circle around it: stretch it until it does.
        let lowest = on_circle.iter().map(|point| point.y).fold(0.0, f64::max);
        let place = |point: &Point| Point {
            x: stage.width / 2.0 + across * point.x,
            y: top + (bottom - top) * (point.y + 1.0) / (lowest + 1.0),
        };
        let places = on_circle.iter().map(place).collect();
        Ring { places, radius, detail, stage }
    }

    fn radius(servers: usize, short_side: f64) -> f64 {
        let servers = f64::from(u32::try_from(servers.max(2)).unwrap_or(u32::MAX));
        let by_neighbours = short_side * 0.62 / servers.powf(0.78);
        by_neighbours.min(short_side * 0.12).clamp(RADIUS_MIN, RADIUS_MAX)
    }

    fn detail(servers: usize, radius: f64) -> Detail {
        match servers {
            0..=5 if radius >= 22.0 => Detail::Full,
            0..=9 => Detail::Short,
            _ => Detail::Name,
        }
    }

    /// Where a client stands: the console at the upper left, loads below each other at the right.
    pub(crate) fn client(&self, client: u32) -> Point {
        let y = above(self.stage) + 22.0;
        match client {
            0 => Point { x: 44.0, y },
            load => {
                // Behind the last place that fits they stand on each other.
                let lowest = (self.stage.height - BELOW - 16.0).max(y);
                Point {
                    x: self.stage.width - 44.0,
                    y: (y + 34.0 * f64::from(load - 1)).min(lowest),
                }
            }
        }
    }

    /// The place on a server's rim that faces a point.
    pub(crate) fn rim(&self, server: usize, towards: Point) -> Option<Point> {
        let place = *self.places.get(server)?;
        Some(place.towards(towards, (self.radius + 4.0) / place.distance(towards).max(1.0)))
    }

    /// Where a message between two servers starts and ends: at the rims of their discs.
    pub(crate) fn lane(&self, from: usize, to: usize) -> Option<(Point, Point)> {
        let (one, other) = (*self.places.get(from)?, *self.places.get(to)?);
        Some((self.rim(from, other)?, self.rim(to, one)?))
    }
}

/// Kept free above the ring: the sentence that says what to try, or a notice.
fn above(stage: Extent) -> f64 {
    if stage.height < 420.0 { 50.0 } else { 64.0 }
}

/// A server's place on the circle of radius 1 around the origin.
fn on_circle(number: usize, servers: usize) -> Point {
    let share = f64::from(u32::try_from(number).unwrap_or(0))
        / f64::from(u32::try_from(servers.max(1)).unwrap_or(1));
    let angle = share * TAU - FRAC_PI_2;
    let (x, y) = cosine_and_sine(angle);
    Point { x, y }
}

/// The browser has them; bringing our own would cost the page 10 KB.
#[cfg(target_arch = "wasm32")]
fn cosine_and_sine(angle: f64) -> (f64, f64) {
    (js_sys::Math::cos(angle), js_sys::Math::sin(angle))
}

#[cfg(not(target_arch = "wasm32"))]
fn cosine_and_sine(angle: f64) -> (f64, f64) {
    (angle.cos(), angle.sin())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESK: Extent = Extent { width: 760.0, height: 520.0 };
    const PHONE: Extent = Extent { width: 390.0, height: 350.0 };

    #[test]
    fn the_first_server_stands_at_the_top_and_the_second_to_its_right() {
        let ring = Ring::new(3, DESK);
        assert!((ring.places[0].x - DESK.width / 2.0).abs() < 1e-9);
        assert!(ring.places[0].y < ring.places[1].y);
        assert!(ring.places[1].x > ring.places[0].x);
    }

    #[test]
    fn up_to_25_servers_stay_inside_and_apart_at_both_widths() {
        for stage in [DESK, PHONE] {
            for servers in 1..=25 {
                let ring = Ring::new(servers, stage);
                for (n, place) in ring.places.iter().enumerate() {
                    assert!(place.x >= ring.radius && place.x <= stage.width - ring.radius);
                    assert!(place.y >= ring.radius && place.y <= stage.height - ring.radius);
                    for other in &ring.places[n + 1..] {
                        assert!(
                            place.distance(*other) > ring.radius * 1.9,
                            "{servers} servers overlap on {stage:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_message_leaves_from_the_rim_and_not_from_the_centre() {
        let ring = Ring::new(2, DESK);
        let (from, to) = ring.lane(0, 1).expect("both are there");
        assert!(from.y > ring.places[0].y + ring.radius);
        assert!(to.y < ring.places[1].y - ring.radius);
        assert_eq!(ring.lane(0, 2), None);
    }
}
