import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// What holds within one instruction set to the bit, and between two within rounding.
struct InstructionSetAgreementTests {
  private static func tokens(_ store: WeightStore) -> [Int32] {
    (0..<64).map { Int32(($0 * 977 + 13) % store.configuration.vocabularySize) }
  }

  /// What a last bit may become where values are rounded on the way: to 8 bits in the activations
  /// of quantized rows, to 11 in an f16 KV cache (the default of all but f32 stores).
  ///
  /// Where a rounding turns, q8_0, q4_0 and mxfp4 moved the logits of this model of width 64 by up
  /// to 1.5, 1.7 and 1.6 % in twelve texts, by 0.4, 0.6 and 0 % in the middle one.
  private static func tolerance(_ format: RowFormat, _ cache: KeyValueFormat) -> Float {
    format.valuesPerBlock > 1 ? 2e-2 : cache == .f32 ? 1e-4 : 1e-3
  }

  @Test(arguments: RowFormat.allCases, [KeyValueFormat.f32, .f16])
  func logitsOfTwoInstructionSetsAgreeWithinRounding(
    format: RowFormat, cache: KeyValueFormat
  ) throws {
    let converted = try ConvertedStore(ProjectFiles.fixtures + "/families/llama", format)
    let store = converted.store
    let logits = try InstructionSet.supported.map { isa in
      var options = DecoderOptions()
      options.instructionSet = isa
      options.keyFormat = cache
      options.valueFormat = cache
      return try DecoderRuns.logits(store, Self.tokens(store), options: options)
    }
    for (isa, found) in zip(InstructionSet.supported, logits).dropFirst() {
      let difference = DecoderRuns.relativeDifference(found, logits[0])
      #expect(difference < Self.tolerance(format, cache), "\(isa) and scalar")
    }
  }

  @Test(arguments: InstructionSet.supported, [RowFormat.bf16, .q4_0])
  func cutsAndModesAndLimitsDoNotChangeABit(isa: InstructionSet, format: RowFormat) throws {
    let converted = try ConvertedStore(ProjectFiles.fixtures + "/families/deci-relu", format)
    let store = converted.store
    let tokens = Self.tokens(store)
    var expected: [UInt32]?
    for (chunk, threads) in [(64, 2), (1, 1), (7, 2)] {
      var resident = DecoderOptions()
      resident.instructionSet = isa
      resident.contextLength = 64
      resident.sparsity = .exact
      resident.prefillChunk = chunk
      resident.threadCount = threads
      resident.logitsRowCapacity = chunk
      let windowed = try DecoderRuns.limited(resident, store, percent: 30)
      var dense = resident
      dense.sparsity = .dense
      for options in [resident, windowed, dense] {
        let bits = try DecoderRuns.logits(store, tokens, options: options).map(\.bitPattern)
        #expect(bits == expected ?? bits, "chunks of \(chunk), \(threads) threads")
        expected = expected ?? bits
      }
    }
  }

  @Test func anInstructionSetThatTheCPULacksIsRefused() throws {
    let converted = try ConvertedStore(ProjectFiles.fixtures + "/families/llama", .f32)
    for isa in InstructionSet.allCases where !isa.isSupported {
      var options = DecoderOptions()
      options.instructionSet = isa
      let error = #expect(throws: DecoderError.self) {
        try Decoder(store: converted.store, options: options)
      }
      guard case .missingInstructions(isa) = error else {
        Issue.record("\(isa) was refused with \(String(describing: error))")
        continue
      }
    }
  }
}
