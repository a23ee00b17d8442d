internal import CFlashKernels

/// The vector instructions a `Kernels` uses; `--isa` by name. Results are equal bit for bit within
/// one instruction set, not between two.
package enum InstructionSet: String, CaseIterable, Sendable {
  /// Portable C, for any CPU.
  case scalar
  /// AVX2, FMA and F16C.
  case avx2
  /// AVX-512 F, BW, VL, DQ and VNNI.
  case avx512
  /// `avx512`, and AMX tiles of 8-bit integers.
  case amx
  /// NEON of 64-bit ARM; SDOT where the CPU has it, which changes no bit.
  case neon

  /// Those that this CPU and kernel offer, slowest first; `scalar` always.
  package static var supported: [InstructionSet] {
    allCases.filter(\.isSupported)
  }

  /// The fastest of `supported`.
  package static var best: InstructionSet { supported.last! }

  /// Whether this CPU and kernel offer it.
  package var isSupported: Bool { unsafe table != nil }

  /// What it is made of, in words.
  package var instructions: String {
    switch self {
    case .scalar: "portable C"
    case .avx2: "AVX2, FMA and F16C"
    case .avx512: "AVX-512 F, BW, VL, DQ and VNNI"
    case .amx: "AVX-512 with VNNI, and AMX tiles of 8-bit integers that the kernel grants"
    case .neon: "NEON, of 64-bit ARM"
    }
  }

  /// The C functions, or nil where the CPU lacks the instructions. Costs a look at cpuid's copy.
  var table: UnsafePointer<CFlashKernels_Table>? {
    switch self {
    case .scalar: unsafe CFlashKernels_table(CFlashKernels_scalar)
    case .avx2: unsafe CFlashKernels_table(CFlashKernels_avx2)
    case .avx512: unsafe CFlashKernels_table(CFlashKernels_avx512)
    case .amx: unsafe CFlashKernels_table(CFlashKernels_amx)
    case .neon: unsafe CFlashKernels_table(CFlashKernels_neon)
    }
  }
}
