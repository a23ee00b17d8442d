import FlashIO
import FlashTestSupport
import Testing

struct ReadPlanTests {
  /// Every subset of ten neighbouring bundles of 7 bytes, in units of 1, 4 and 8 bytes, with every
  /// kind of limit: 4 x 1024 x 36 plans.
  @Test(arguments: [1, 4, 8, 16])
  func aPlanCoversExactlyWhatWasAsked(unit: Int) {
    var plan = ReadPlan(capacity: 10)
    for subset in 0..<1024 {
      let wanted = (0..<10).filter { subset >> $0 & 1 == 1 }
        .map { FileExtent(offset: 3 + $0 * 9, byteCount: 7) }
      for gap in [0, 2, 11, 1000] {
        for amplification in [1, 1.5, 100] {
          for (size, staging) in [(1 << 20, 1 << 20), (24, 1 << 20), (1 << 20, 48)] {
            let limits = ReadPlan.Limits(
              unit: unit, memoryAlignment: 4, mergeGap: gap, readAmplification: amplification,
              readByteCount: size, stagingByteCount: staging)
            plan.cover(wanted.span, limits: limits)
            if let flaw = flaw(plan, wanted: wanted, limits: limits) {
              Issue.record("\(flaw): \(wanted) with \(limits) gives \(plan.reads)")
              return
            }
          }
        }
      }
    }
  }

  /// Every way to plan a sum of parts one after another.
  @Test func aPlanThatGrowsKeepsItsReadsAndCoversTheRest() {
    var plan = ReadPlan(capacity: 10)
    let limits = ReadPlan.Limits(
      unit: 8, memoryAlignment: 4, mergeGap: 11, readAmplification: 100, stagingByteCount: 200)
    for subset in 0..<1024 {
      let wanted = (0..<10).filter { subset >> $0 & 1 == 1 }
        .map { FileExtent(offset: 3 + $0 * 9, byteCount: 7) }
      for first in 0...wanted.count {
        for second in first...wanted.count {
          plan.cover(Array(wanted[..<first]).span, limits: limits)
          var settled = plan.reads
          plan.extend(Array(wanted[first..<second]).span, limits: limits)
          #expect(plan.reads.starts(with: settled))
          settled = plan.reads
          plan.extend(Array(wanted[second...]).span, limits: limits)
          #expect(plan.reads.starts(with: settled))
          if let flaw = flaw(plan, wanted: wanted, limits: limits) {
            Issue.record("\(flaw): \(wanted) in parts of \(first), \(second) gives \(plan.reads)")
            return
          }
        }
      }
    }
  }

  /// What is wrong with a plan, or nil.
  private func flaw(
    _ plan: ReadPlan, wanted: [FileExtent], limits: ReadPlan.Limits
  ) -> String? {
    var next = 0
    var stagingEnd = 0
    for read in plan.reads {
      guard read.wanted.lowerBound == next, !read.wanted.isEmpty else { return "order" }
      next = read.wanted.upperBound
      let parts = wanted[read.wanted].map { $0.widened(toUnit: limits.unit) }
      let byteCount = parts[parts.count - 1].end - parts[0].offset
      guard read.extent == FileExtent(offset: parts[0].offset, byteCount: byteCount) else {
        return "extent"
      }
      guard let stagingOffset = read.stagingOffset else {
        let slot = ReadPlan.slotByteCount(
          forExtentOf: wanted[read.wanted.lowerBound].byteCount, unit: limits.unit)
        guard parts.count == 1, byteCount <= slot else { return "slot" }
        continue
      }
      let separate = parts.reduce(0) { $0 + $1.byteCount }
      guard parts.count > 1, byteCount <= limits.readByteCount,
        Double(byteCount) <= limits.readAmplification * Double(separate)
      else { return "merged too much" }
      guard zip(parts, parts.dropFirst()).allSatisfy({ $1.offset - $0.end <= limits.mergeGap })
      else { return "gap" }
      guard stagingOffset >= stagingEnd, stagingOffset % limits.memoryAlignment == 0 else {
        return "staging"
      }
      stagingEnd = stagingOffset + byteCount
    }
    let isWhole = next == wanted.count && stagingEnd <= limits.stagingByteCount
    let isCounted =
      plan.wantedByteCount == wanted.reduce(0) { $0 + $1.byteCount }
      && plan.readByteCount == plan.reads.reduce(0) { $0 + $1.extent.byteCount }
    return isWhole && isCounted ? nil : "whole"
  }

  @Test func neighboursAreOneReadAndStrangersTwo() {
    var plan = ReadPlan(capacity: 8)
    let wanted = [0, 4608, 9216, 1_000_000].map {
      FileExtent(offset: $0 / 512 * 512, byteCount: 4608)
    }
    plan.cover(
      wanted.span,
      limits: .init(unit: 512, memoryAlignment: 512, mergeGap: 8192, stagingByteCount: 1 << 20))
    #expect(
      plan.reads == [
        .init(extent: FileExtent(offset: 0, byteCount: 3 * 4608), wanted: 0..<3, stagingOffset: 0),
        .init(extent: wanted[3], wanted: 3..<4, stagingOffset: nil),
      ])
    #expect(plan.readAmplification == 1)
  }

  @Test func aSlotHoldsItsExtentAtEveryOffset() {
    for unit in [1, 2, 4, 8] {
      for count in 1..<40 {
        let widest = (0..<unit).map {
          FileExtent(offset: $0, byteCount: count).widened(toUnit: unit).byteCount
        }
        #expect(widest.max() == ReadPlan.slotByteCount(forExtentOf: count, unit: unit))
      }
    }
  }

  @Test func piecesAreTheExtent() {
    for count in 0..<20 {
      for size in 1..<25 {
        let pieces = Array(FileExtent(offset: 5, byteCount: count).pieces(ofByteCount: size))
        #expect(pieces.allSatisfy { $0.byteCount > 0 && $0.byteCount <= size })
        #expect(pieces.flatMap { Array($0.offset..<$0.end) } == Array(5..<5 + count))
      }
    }
  }

  /// The way a layer's misses come: planned, read by each engine, merged ones copied out.
  @Test(arguments: EngineUnderTest.available)
  func plannedReadsBringTheWantedBytes(engine kind: EngineUnderTest) throws {
    let fixture = try Fixture(byteCount: 90_000)
    let slotByteCount = ReadPlan.slotByteCount(forExtentOf: 700, unit: fixture.file.unit)
    let staging = 1 << 16
    let arena = try DirectArena(byteCount: staging + 128 * slotByteCount)
    let engine = try kind.make(files: [fixture.file], arena: arena)
    var plan = ReadPlan(capacity: 128)
    var random = SplitMix(seed: 3)
    for _ in 0..<10 {
      let wanted = (0..<128).filter { _ in random.chance(0.4) }
        .map { FileExtent(offset: $0 * 703, byteCount: 700) }
      plan.cover(
        wanted.span,
        limits: .init(
          unit: fixture.file.unit, memoryAlignment: fixture.file.memoryAlignment,
          mergeGap: 1000, stagingByteCount: staging))
      let requests = unsafe plan.reads.map { read in
        unsafe ReadRequest(
          fileIndex: 0, extent: read.extent,
          destination: arena.base
            + (read.stagingOffset ?? staging + read.wanted.lowerBound * slotByteCount))
      }
      try unsafe engine.readAll(requests)
      for read in plan.reads {
        for index in read.wanted {
          let base = read.stagingOffset ?? staging + index * slotByteCount
          let start = base + wanted[index].offset - read.extent.offset
          let bytes = wanted[index].offset..<wanted[index].end
          #expect(
            unsafe arena.bytes[start..<start + 700].elementsEqual(fixture.content.bytes[bytes]))
        }
      }
    }
  }
}
