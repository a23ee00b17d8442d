import FlashIO
import FlashKernels
import FlashModel
import FlashTestSupport
import FlashWeights
import FlashWindow
import Testing

/// Runs from which a method is taken away read more and wait more, and never change a bit.
struct TakenAwayTests {
  static let stores: [(String, RowFormat)] = [
    (ProjectFiles.fixtures + "/families/deci-relu", .q8_0),
    (ProjectFiles.fixtures + "/families/llama-relu", .f32),
    (ProjectFiles.fixtures + "/families/opt", .f16),
  ]

  private func options(
    _ residency: StorageOptions.Residency, overlaps: Bool, parts: SeparateParts? = nil,
    chunk: Int
  ) -> DecoderOptions {
    var options = DecoderOptions()
    options.contextLength = 64
    options.threadCount = 2
    options.prefillChunk = chunk
    options.storage.residency = residency
    options.storage.overlapsReads = overlaps
    options.storage.separateParts = parts
    return options
  }

  private func bits(_ decoder: Decoder) throws -> [UInt32] {
    let vocabulary = decoder.configuration.vocabularySize
    let tokens = (0..<24).map { Int32(($0 * 977 + 13) % vocabulary) }
    return try DecoderRuns.logits(decoder, tokens).map(\.bitPattern)
  }

  @Test(arguments: stores)
  func whatIsTakenAwayNeverChangesABit(checkpoint: String, format: RowFormat) throws {
    let converted = try ConvertedStore(checkpoint, format)
    let folder = try ProjectFiles.TemporaryFolder()
    let parts = try SeparateParts(of: converted.store, in: folder.path)
    for chunk in [1, 8] {
      let expected = try bits(
        Decoder(store: converted.store, options: options(.whatFits, overlaps: true, chunk: chunk)))
      for overlaps in [true, false] {
        for residency in [StorageOptions.Residency.nothing, .dense, .decidingRows, .window] {
          let isWindowed = residency == .decidingRows || residency == .window
          for parts in isWindowed ? [nil, parts] : [nil] {
            var options = options(residency, overlaps: overlaps, parts: parts, chunk: chunk)
            if residency == .window {
              options = try halfOfTheWindow(converted.store, options)
            }
            let decoder = try Decoder(store: converted.store, options: options)
            #expect(decoder.mode == (isWindowed ? .exact : .dense))
            #expect(
              try bits(decoder) == expected,
              "\(residency), overlap \(overlaps), apart \(parts != nil), chunks of \(chunk)")
          }
        }
      }
    }
  }

  /// A limit under which some neurons must go.
  private func halfOfTheWindow(
    _ store: WeightStore, _ options: DecoderOptions
  ) throws -> DecoderOptions {
    var least = options
    least.storage.residency = .decidingRows
    let plans = try [least, options].map { try Decoder.plan(store: store, options: $0).plan }
    var limited = options
    limited.storage.memoryLimit = (plans[0].byteCount + plans[1].byteCount) / 2
    return limited
  }

  @Test func everyMethodReadsLessThanTheOneBefore() throws {
    let converted = try ConvertedStore.sample(.q8_0)
    let folder = try ProjectFiles.TemporaryFolder()
    let parts = try SeparateParts(of: converted.store, in: folder.path)
    let rows = [
      options(.nothing, overlaps: false, chunk: 1), options(.dense, overlaps: false, chunk: 1),
      options(.decidingRows, overlaps: false, parts: parts, chunk: 1),
      options(.window, overlaps: false, parts: parts, chunk: 1),
      options(.window, overlaps: false, chunk: 1), options(.window, overlaps: true, chunk: 1),
    ]
    var bytes: [Int] = []
    var counts: [Int] = []
    for row in rows {
      let decoder = try Decoder(store: converted.store, options: row)
      let before = decoder.statistics
      _ = try bits(decoder)
      let run = decoder.statistics - before
      bytes.append(run.reads.byteCount)
      counts.append(run.reads.readCount)
      // The answer to what is wanted does not depend on where it lies.
      #expect(run.neurons > 0)
    }
    for (more, less) in zip(bytes.prefix(4), bytes.prefix(4).dropFirst()) { #expect(more > less) }
    #expect(bytes[3] >= bytes[4] && counts[3] > counts[4])
    // Misses are merged within what is asked for at once, which is less where reads overlap.
    #expect(abs(bytes[4] - bytes[5]) * 10 < bytes[4])
  }

  @Test func partsApartAreTheRowsOfBundles() throws {
    for (checkpoint, format) in Self.stores {
      let converted = try ConvertedStore(checkpoint, format)
      let folder = try ProjectFiles.TemporaryFolder()
      var shares: [Int] = []
      let parts = try SeparateParts(
        of: converted.store, in: folder.path,
        progress: { done, total in shares.append(done * 100 / total) })
      #expect(shares.last == 100 && shares == shares.sorted())
      #expect(try FolderListing.names(folder.path).isEmpty, "the files have no name")
      let bundles = try FolderListing.bytes(converted.store.bundlesPath)
      for (part, path) in parts.paths.enumerated() {
        let rows = try FolderListing.bytes(path)
        for (layer, bundle) in converted.store.manifest.bundles.enumerated() {
          let byteCount = parts.neuronByteCount(layer: layer)
          for neuron in 0..<bundle.neuronCount {
            let (stride, inside) = neuron.quotientAndRemainder(dividingBy: bundle.neuronsPerStride)
            let from =
              bundle.extent.offset + stride * bundle.stride
              + bundle.offset(ofPart: part, neuron: inside)
            let to = parts.extent(layer: layer, stride: stride).offset + inside * byteCount
            guard rows[to..<to + byteCount] == bundles[from..<from + byteCount] else {
              Issue.record("layer \(layer), neuron \(neuron), part \(part)")
              return
            }
          }
        }
      }
    }
  }

  @Test func separatingEndsWhenItIsCancelled() throws {
    let converted = try ConvertedStore(Self.stores[0].0, Self.stores[0].1)
    let folder = try ProjectFiles.TemporaryFolder()
    let error = #expect(throws: StoreError.self) {
      _ = try SeparateParts(of: converted.store, in: folder.path, isCancelled: { true })
    }
    #expect(error?.kind == .interrupted)
    #expect(try FolderListing.names(folder.path).isEmpty)
  }
}
