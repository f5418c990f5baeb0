//! Decoding by name, through the metadata of a chain whose runtime may be a later one.

use crate::{Audit, Phase};
use alloc::string::{String, ToString};
use core::{fmt, marker::PhantomData};
use scale_decode::{
	visitor::{types::Variant, DecodeAsTypeResult, TypeIdFor},
	DecodeAsType, Error, IntoVisitor, TypeResolver, Visitor,
};
use serde::{Serialize, Serializer};
use sp_arithmetic::Permill;

/// A value of an enum that a later runtime may give more variants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named<T> {
	/// One that this version knows.
	Known(T),
	/// The name of another.
	Unknown(String),
}

impl<T> Named<T> {
	/// The value, if this version knows it.
	pub fn known(&self) -> Option<&T> {
		match self {
			Self::Known(value) => Some(value),
			Self::Unknown(_) => None,
		}
	}
}

impl<T: PartialEq> Named<T> {
	/// Whether it is this value.
	pub fn is(&self, value: T) -> bool {
		self.known() == Some(&value)
	}
}

impl Named<Phase> {
	/// Whether nothing can happen to the job any more.
	pub fn is_terminal(&self) -> bool {
		self.known().is_some_and(Phase::is_terminal)
	}
}

impl<T> From<T> for Named<T> {
	fn from(value: T) -> Self {
		Self::Known(value)
	}
}

/// The variant's name with what it holds, such as `Attested(true)`.
impl<T: fmt::Debug> fmt::Display for Named<T> {
	fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
		match self {
			Self::Known(value) => f.pad(&alloc::format!("{value:?}")),
			Self::Unknown(name) => f.pad(name),
		}
	}
}

impl<T: Serialize> Serialize for Named<T> {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		match self {
			Self::Known(value) => value.serialize(serializer),
			Self::Unknown(name) => name.serialize(serializer),
		}
	}
}

/// Decodes a [`Named`].
pub struct NamedVisitor<T, R>(PhantomData<(T, R)>);

impl<T: IntoVisitor, R: TypeResolver> Visitor for NamedVisitor<T, R> {
	type Value<'scale, 'resolver> = Named<T>;
	type Error = Error;
	type TypeResolver = R;

	fn unchecked_decode_as_type(
		self,
		input: &mut &[u8],
		type_id: TypeIdFor<Self>,
		types: &R,
	) -> DecodeAsTypeResult<Self, Result<Named<T>, Error>> {
		let mut rest = *input;
		match T::decode_as_type(&mut rest, type_id, types) {
			Ok(value) => {
				*input = rest;
				DecodeAsTypeResult::Decoded(Ok(Named::Known(value)))
			}
			// What it is called is then found by `visit_variant`.
			Err(_) => DecodeAsTypeResult::Skipped(self),
		}
	}

	fn visit_variant<'scale, 'resolver>(
		self,
		value: &mut Variant<'scale, 'resolver, R>,
		_: TypeIdFor<Self>,
	) -> Result<Named<T>, Error> {
		Ok(Named::Unknown(value.name().to_string()))
	}
}

impl<T: IntoVisitor> IntoVisitor for Named<T> {
	type AnyVisitor<R: TypeResolver> = NamedVisitor<T, R>;

	fn into_visitor<R: TypeResolver>() -> NamedVisitor<T, R> {
		NamedVisitor(PhantomData)
	}
}

/// [`Audit`], with the parts per million that its [`Permill`] is in the metadata.
#[derive(DecodeAsType)]
enum Parts {
	Standard,
	Custom(u32),
}

/// Decodes an [`Audit`].
pub struct AuditVisitor<R>(PhantomData<R>);

impl<R: TypeResolver> Visitor for AuditVisitor<R> {
	type Value<'scale, 'resolver> = Audit;
	type Error = Error;
	type TypeResolver = R;

	fn unchecked_decode_as_type(
		self,
		input: &mut &[u8],
		type_id: TypeIdFor<Self>,
		types: &R,
	) -> DecodeAsTypeResult<Self, Result<Audit, Error>> {
		let parts = Parts::decode_as_type(input, type_id, types);
		DecodeAsTypeResult::Decoded(parts.map(|parts| match parts {
			Parts::Standard => Audit::Standard,
			Parts::Custom(parts) => Audit::Custom(Permill::from_parts(parts)),
		}))
	}
}

impl IntoVisitor for Audit {
	type AnyVisitor<R: TypeResolver> = AuditVisitor<R>;

	fn into_visitor<R: TypeResolver>() -> AuditVisitor<R> {
		AuditVisitor(PhantomData)
	}
}
