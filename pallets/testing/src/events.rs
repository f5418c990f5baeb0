//! What a pallet has emitted.

use frame_system::Config;
use std::fmt::Debug;

/// The last event of a pallet.
///
/// # Panics
/// When there is none.
pub fn last<T, E>() -> E
where
	T: Config<RuntimeEvent: TryInto<E>>,
{
	let events = frame_system::Pallet::<T>::read_events_for_pallet::<E>();
	events.into_iter().next_back().expect("an event was emitted")
}

/// Panics where a pallet has not emitted this event, and says which it has; see
/// [`crate::assert_emitted`].
#[track_caller]
pub fn assert_emitted<T, E>(event: E)
where
	T: Config<RuntimeEvent: TryInto<E>>,
	E: PartialEq + Debug,
{
	let emitted = frame_system::Pallet::<T>::read_events_for_pallet::<E>();
	assert!(emitted.contains(&event), "no {event:?} among {emitted:#?}");
}

/// Asserts that the runtime of a mock, which is called `Test`, has emitted an event of its pallet.
#[macro_export]
macro_rules! assert_emitted {
	($event:expr $(,)?) => {
		$crate::events::assert_emitted::<Test, Event<Test>>($event)
	};
}
