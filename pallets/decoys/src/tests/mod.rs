//! Makers who cheat first; then each call, and random sequences of them.

mod attacks;
mod calls;
mod invariants;

use crate::{mock::*, Error, Event};
use assay_market::ReasonCode;
use assay_pallet_testing::assert_emitted;
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
