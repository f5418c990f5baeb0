//! Every call of the runtime, with arguments made from the types that its metadata has of it.

// Each test binary uses what it needs.
#![allow(dead_code)]

use assay_runtime::RuntimeCall;
use codec::{Compact, DecodeAll, Encode};
use scale_info::{
	form::PortableForm, PortableRegistry, Registry, Type, TypeDef, TypeDefPrimitive, TypeInfo,
};
use sp_keyring::Sr25519Keyring;

/// Attempts at arguments that decode, for each kind of them.
const ATTEMPTS: u32 = 400;

/// What the arguments of a call are made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arguments {
	/// Zeros, empty lists, first variants.
	Zero,
	/// Numbers below 1,000, short lists, any variants, accounts that exist.
	Small,
	/// Anything.
	Any,
}

/// A call of the runtime with several sets of arguments.
pub struct Known {
	/// As `Pallet.call`.
	pub name: String,
	/// The first with zeros, then others where it has arguments.
	pub calls: Vec<RuntimeCall>,
}

/// Every call of every pallet; `seed` decides the arguments.
pub fn all_calls(seed: u64) -> Vec<Known> {
	let mut registry = Registry::new();
	let root = registry.register_type(&scale_info::meta_type::<RuntimeCall>()).id;
	let registry = PortableRegistry::from(registry);
	let mut maker = Maker { registry: &registry, state: seed ^ 0x9e37_79b9_7f4a_7c15 };
	let mut all = Vec::new();
	let TypeDef::Variant(pallets) = &maker.ty(root).type_def else { panic!("a call is an enum") };
	for pallet in &pallets.variants {
		let TypeDef::Variant(calls) = &maker.ty(pallet.fields[0].ty.id).type_def else {
			panic!("the calls of {} are an enum", pallet.name)
		};
		for call in &calls.variants {
			let name = format!("{}.{}", pallet.name, call.name);
			let fields: Vec<u32> = call.fields.iter().map(|field| field.ty.id).collect();
			let mut made: Vec<RuntimeCall> = Vec::new();
			let kinds = if fields.is_empty() { 1 } else { 5 };
			let wanted = [
				Arguments::Zero,
				Arguments::Small,
				Arguments::Small,
				Arguments::Any,
				Arguments::Any,
			];
			for arguments in &wanted[..kinds] {
				let found = (0..ATTEMPTS).find_map(|_| {
					let mut bytes = vec![pallet.index, call.index];
					for field in &fields {
						maker.make(*field, *arguments, 0, &mut bytes);
					}
					RuntimeCall::decode_all(&mut &bytes[..]).ok()
				});
				match found {
					Some(call) => made.push(call),
					// Where the bounds are tight, chance does not find what is in them.
					None if *arguments == Arguments::Any => {}
					None => panic!("{name}: no {arguments:?} arguments decode (seed {seed})"),
				}
			}
			assert!(kinds == 1 || made.len() >= 3, "{name} was hardly tried (seed {seed})");
			all.push(Known { name, calls: made });
		}
	}
	all
}

struct Maker<'a> {
	registry: &'a PortableRegistry,
	state: u64,
}

impl<'a> Maker<'a> {
	fn ty(&self, id: u32) -> &'a Type<PortableForm> {
		self.registry.resolve(id).expect("a registry is closed")
	}

	fn random(&mut self) -> u64 {
		// SplitMix64.
		self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
		let mut z = self.state;
		z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
		z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
		z ^ (z >> 31)
	}

	fn below(&mut self, bound: u64) -> u64 {
		self.random() % bound
	}

	fn number(&mut self, arguments: Arguments, bytes: usize) -> u128 {
		let mask = if bytes == 16 { u128::MAX } else { (1 << (8 * bytes)) - 1 };
		let wide = u128::from(self.random()) << 64 | u128::from(self.random());
		mask & match arguments {
			Arguments::Zero => 0,
			Arguments::Small => wide % 1_000,
			Arguments::Any => wide >> (8 * self.below(16)),
		}
	}

	fn length(&mut self, arguments: Arguments) -> u64 {
		match arguments {
			Arguments::Zero => 0,
			Arguments::Small => self.below(3),
			Arguments::Any => self.below(20),
		}
	}

	fn make(&mut self, id: u32, arguments: Arguments, depth: u32, out: &mut Vec<u8>) {
		let ty = self.ty(id);
		match ty.path.ident().as_deref() {
			// Calls in calls are tried by name elsewhere.
			Some("RuntimeCall") => {
				let remark = frame_system::Call::remark { remark: vec![] };
				return RuntimeCall::System(remark).encode_to(out);
			}
			Some("AccountId32") if arguments != Arguments::Zero && self.below(4) > 0 => {
				use Sr25519Keyring::{Alice, Bob, Charlie, Dave};
				let who = [Alice, Bob, Charlie, Dave][self.below(4) as usize];
				return who.to_account_id().encode_to(out);
			}
			_ => {}
		}
		match &ty.type_def {
			TypeDef::Composite(composite) => {
				for field in &composite.fields {
					self.make(field.ty.id, arguments, depth + 1, out);
				}
			}
			TypeDef::Variant(variant) => {
				let count = variant.variants.len() as u64;
				if count == 0 {
					// Nothing is of such a type: these bytes do not decode.
					return out.push(u8::MAX);
				}
				let deep = depth > 12 || arguments == Arguments::Zero;
				let at = if deep { 0 } else { self.below(count) };
				let chosen = &variant.variants[at as usize];
				out.push(chosen.index);
				for field in &chosen.fields {
					self.make(field.ty.id, arguments, depth + 1, out);
				}
			}
			TypeDef::Sequence(sequence) => {
				let length = if depth > 12 { 0 } else { self.length(arguments) };
				Compact(length).encode_to(out);
				for _ in 0..length {
					self.make(sequence.type_param.id, arguments, depth + 1, out);
				}
			}
			TypeDef::Array(array) => {
				for _ in 0..array.len {
					self.make(array.type_param.id, arguments, depth + 1, out);
				}
			}
			TypeDef::Tuple(tuple) => {
				for field in &tuple.fields {
					self.make(field.id, arguments, depth + 1, out);
				}
			}
			TypeDef::Primitive(primitive) => self.primitive(primitive, arguments, out),
			TypeDef::Compact(compact) => {
				let bytes = self.width(compact.type_param.id);
				Compact(self.number(arguments, bytes)).encode_to(out);
			}
			TypeDef::BitSequence(_) => Compact(0u32).encode_to(out),
		}
	}

	fn primitive(&mut self, primitive: &TypeDefPrimitive, arguments: Arguments, out: &mut Vec<u8>) {
		match primitive {
			TypeDefPrimitive::Bool => out.push((self.number(arguments, 1) % 2) as u8),
			TypeDefPrimitive::Char => out.extend(u32::from('a').to_le_bytes()),
			TypeDefPrimitive::Str => {
				let length = self.length(arguments);
				"a".repeat(length as usize).encode_to(out);
			}
			_ => {
				let bytes = width_of(primitive);
				let number = self.number(arguments, bytes.min(16)).to_le_bytes();
				out.extend((0..bytes).map(|at| number.get(at).copied().unwrap_or_default()));
			}
		}
	}

	/// Bytes of the number that is written compactly.
	fn width(&self, id: u32) -> usize {
		match &self.ty(id).type_def {
			TypeDef::Primitive(primitive) => width_of(primitive),
			TypeDef::Composite(composite) => {
				composite.fields.first().map_or(1, |field| self.width(field.ty.id))
			}
			TypeDef::Tuple(tuple) => tuple.fields.first().map_or(1, |field| self.width(field.id)),
			other => panic!("no compact form of {other:?}"),
		}
	}
}

fn width_of(primitive: &TypeDefPrimitive) -> usize {
	use TypeDefPrimitive::*;
	match primitive {
		Bool | U8 | I8 => 1,
		U16 | I16 => 2,
		U32 | I32 | Char => 4,
		U64 | I64 => 8,
		U128 | I128 => 16,
		U256 | I256 => 32,
		Str => panic!("a text has no width"),
	}
}

/// Holds the walk against what the runtime's metadata has: as many pallets with calls.
pub fn pallets_with_calls() -> usize {
	let TypeDef::Variant::<scale_info::form::MetaForm>(pallets) = RuntimeCall::type_info().type_def
	else {
		panic!("a call is an enum")
	};
	pallets.variants.len()
}
