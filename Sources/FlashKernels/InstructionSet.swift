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

  /// Those that this CPU and kernel offer, slowest first; `scalar` always.
  package static var supported: [InstructionSet] {
    allCases.filter { unsafe $0.table != nil }
  }

  /// The fastest of `supported`.
  package static var best: InstructionSet { supported.last! }

  /// The C functions, or nil where the CPU lacks the instructions. Costs a look at cpuid's copy.
  var table: UnsafePointer<CFlashKernels_Table>? {
    switch self {
    case .scalar: unsafe CFlashKernels_table(CFlashKernels_scalar)
    case .avx2: unsafe CFlashKernels_table(CFlashKernels_avx2)
    case .avx512: unsafe CFlashKernels_table(CFlashKernels_avx512)
    }
  }
}
