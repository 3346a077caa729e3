using Natalia.Backup.Engine.Compression;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Core;

/// <summary>How a repository is opened or made.</summary>
public sealed record RepositoryOptions
{
    /// <summary>What the session is called; shows in restore points.</summary>
    public required string Label { get; init; }

    /// <summary>The clock.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>
    /// Where this machine keeps the files that tell whether the holder of a lease still lives; null for nowhere, so
    /// that a dead holder's lease must run out.
    /// </summary>
    public string? LockDirectory { get; init; } = LocalLock.DefaultDirectory();

    /// <summary>How many leaves of a disk are worked on at once, 1 or more.</summary>
    public int Workers { get; init; } = Math.Min(Environment.ProcessorCount + 1, 16);

    /// <summary>After how many newly stored bytes a long run makes a checkpoint, at the least.</summary>
    public long CheckpointBytes { get; init; } = 128L << 20;

    /// <summary>
    /// For a repository that is made: lock everything for this long. Needs a store with object lock. Null: no locks. An
    /// existing repository keeps what it was made with.
    /// </summary>
    public ImmutabilityPolicy? Immutability { get; init; }

    /// <summary>
    /// For a repository that is made: the default retention policy that it begins with. Null: none; refused where locks
    /// follow the policy.
    /// </summary>
    public RetentionPolicy? Retention { get; init; }

    /// <summary>
    /// For a repository that is made: the storage class in which packs of blocks are put, remembered with the
    /// repository so that every session uses it; null for the store's default.
    /// </summary>
    public string? StorageClass { get; init; }

    /// <summary>
    /// For a repository that is opened: makes what takes the store's place when it is known how strong its locks are
    /// (null
    /// for none) and in which storage class packs lie (null for the store's default), which stands in the repository.
    /// Called before anything is written. Null: the store knows, or there is nothing to know.
    /// </summary>
    public Func<ObjectLockMode?, string?, IObjectStore>? Settle { get; init; }

    /// <summary>
    /// By how much this machine's clock and the store's may differ at most for anything to be written: the times of
    /// points and of records, and locks, would be wrong.
    /// </summary>
    internal TimeSpan ClockLimit { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Makes the zstd of one worker: the faster one that is to be had, but for tests.</summary>
    internal Func<Zstd> NewZstd { get; init; } = Zstd.New;

    /// <summary>scrypt's N for new key slots; tests make it small.</summary>
    internal int PasswordCost { get; init; } = KeySlot.DefaultCost;
}
