import FlashKernels
import Testing

/// Which instruction sets there are, and which of them this CPU has.
struct InstructionSetTests {
  @Test func thePortableSetIsAlwaysThereAndTheBestIsTheLast() {
    #expect(InstructionSet.supported.first == .scalar)
    #expect(InstructionSet.supported.last == InstructionSet.best)
    #expect(Kernels(.best).instructionSet == .best)
  }

  @Test func noCPUHasTheInstructionsOfTwoArchitectures() {
    let supported = Set(InstructionSet.supported)
    #expect(supported.contains(.neon) == isARM)
    if isARM { #expect(supported == [.scalar, .neon]) }
  }

  @Test func aWiderSetComesWithTheNarrowerOnes() {
    let supported = InstructionSet.supported
    if supported.contains(.amx) { #expect(supported.contains(.avx512)) }
    if supported.contains(.avx512) { #expect(supported.contains(.avx2)) }
  }

  @Test func everySetSaysWhatItIsMadeOf() {
    let names = InstructionSet.allCases.map(\.instructions)
    #expect(Set(names).count == names.count)
    #expect(!names.contains(""))
  }

  private var isARM: Bool {
    #if arch(arm64)
      true
    #else
      false
    #endif
  }
}
