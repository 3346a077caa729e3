namespace Natalia.Backup.Benchmarks;

/// <summary>What one step's primitives take.</summary>
/// <param name="Loop">All of them in one plain loop over the blocks, on all processors, with one thread that
/// writes.</param>
/// <param name="Stages">Of that, the seconds of all workers together in each primitive, by the clock: with those in
/// which a worker had no processor, so that they tell which primitive takes most, and no limit.</param>
/// <param name="Write">The same bytes written when nothing else is done; null where nothing is written.</param>
internal sealed record PrimitivePass(
    PrimitiveTime Loop, IReadOnlyDictionary<Primitive, double> Stages, PrimitiveTime? Write)
{
    /// <summary>The processor time of the loop, with that of the write, spread over all processors.</summary>
    internal double Computing => Loop.CpuSeconds / Environment.ProcessorCount;
}

/// <summary>One round of <see cref="Primitives"/>.</summary>
/// <param name="Password">The stretching of a password.</param>
/// <param name="PageSeconds">What the first touch of a page of memory takes, of 4 KiB.</param>
/// <param name="PlainBytes">The disk's bytes that are not zeros.</param>
/// <param name="StoredBytes">The same, compressed and sealed.</param>
/// <param name="Full">Read, zero test, SHA-256, zstd, AES-GCM, SHA-256 of what is stored, write.</param>
/// <param name="Restore">Read, AES-GCM, zstd, SHA-256, write.</param>
/// <param name="Verify">The same without writing.</param>
internal sealed record PrimitiveRound(PrimitiveTime Password, double PageSeconds, long PlainBytes, long StoredBytes,
    PrimitivePass Full, PrimitivePass Restore, PrimitivePass Verify);
