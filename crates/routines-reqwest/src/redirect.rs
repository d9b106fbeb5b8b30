//! Owns which redirects are followed without anybody being asked.

use reqwest::redirect::Policy;

/// As many as are followed by default.
const MOST: usize = 10;

/// Follows redirects within one host, ten at most; any other is given to the caller as it came.
///
/// Values went to a host that may receive them. `reqwest` would take their headers along to wherever that host points.
///
/// ```
/// let client = reqwest::Client::builder().redirect(routines_reqwest::redirects_to_the_same_host()).build()?;
/// # drop(client);
/// # Ok::<(), reqwest::Error>(())
/// ```
pub fn redirects_to_the_same_host() -> Policy {
    Policy::custom(|attempt| {
        let stays = attempt.previous().last().is_some_and(|from| from.host_str() == attempt.url().host_str());
        match (stays, attempt.previous().len()) {
            (false, _) => attempt.stop(),
            (true, many) if many > MOST => attempt.error("too many redirects"),
            (true, _) => attempt.follow(),
        }
    })
}
