import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import Glibc
import Testing

/// The trained sample against transformers: token losses, logits and greedy text.
struct NovelsReferenceTests {
  @Test func lossesAndLogitsEqualTheReference() throws {
    let converted = try ConvertedStore.sample(.f32)
    let reference = try NovelsReference.load()
    var options = DecoderOptions()
    options.logitsRowCapacity = 16
    options.prefillChunk = 16
    let decoder = try Decoder(store: converted.store, options: options)
    for sample in reference.cases {
      let logits = try DecoderRuns.logits(decoder, sample.ids)
      let vocabulary = decoder.configuration.vocabularySize
      for index in 0..<sample.ids.count - 1 {
        let row = logits[index * vocabulary..<(index + 1) * vocabulary]
        let loss = Self.loss(row, target: Int(sample.ids[index + 1]))
        #expect(abs(loss - sample.tokenNLL[index]) < 1e-3)
      }
      let last = Array(logits.suffix(vocabulary))
      #expect(DecoderRuns.relativeDifference(last, sample.lastLogits) < 1e-3)
    }
  }

  @Test(arguments: [RowFormat.f32, .bf16])
  func greedyTextEqualsTheReference(format: RowFormat) throws {
    let converted = try ConvertedStore.sample(format)
    let decoder = try Decoder(store: converted.store)
    for sample in try NovelsReference.load().cases {
      let found = try DecoderRuns.greedy(decoder, sample.ids, count: sample.greedyIDs.count)
      #expect(found == sample.greedyIDs)
    }
  }

  private static func loss(_ logits: ArraySlice<Float>, target: Int) -> Double {
    let highest = Double(logits.max() ?? 0)
    let sum = logits.reduce(0.0) { $0 + exp(Double($1) - highest) }
    return log(sum) + highest - Double(logits[logits.startIndex + target])
  }
}
