using System.Security;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Testing;

/// <summary>A repository over one store that outlives its sessions, and the few things that tests do with it.</summary>
public sealed class RepositoryFixture : IDisposable
{
    private readonly TemporaryFolder _locks = new();

    private IObjectStore? _store;

    public RepositoryFixture(IObjectStore? store = null) => _store = store;

    /// <summary>The store; one in memory that none was given for has the fixture's clock.</summary>
    public IObjectStore Store => _store ??= new MemoryStore(Clock);
    public string? Password { get; init; }
    public long CheckpointBytes { get; init; } = long.MaxValue;
    public int Workers { get; init; } = 3;
    public TimeProvider Clock { get; init; } = TimeProvider.System;
    public bool HasLockDirectory { get; init; } = true;

    public static ApplianceDescription Appliance { get; } = new()
    {
        ApplianceId = ApplianceIdentity.Create("Folder", "", "6f0f8f9e-3a55-4a6e-9a86-1f3c2f0f7c11"),
        Name = "natalia-paris",
        HypervisorKind = "Folder",
        ProcessorCount = 4,
        MemoryBytes = 8L << 30,
        Networks = [new ApplianceNetwork("voice", 110)],
        Disks = [new ApplianceDisk("scsi1", DiskRole.Data, null)],
    };

    public RepositoryOptions Options => new()
    {
        Label = "bench",
        CheckpointBytes = CheckpointBytes,
        Workers = Workers,
        Clock = Clock,
        PasswordCost = 2,
        LockDirectory = HasLockDirectory ? _locks.Path : null,
    };

    public static RepositoryPassword? Secret(string? password)
    {
        if (password is null) return null;
        var secure = new SecureString();
        foreach (char c in password) secure.AppendChar(c);
        return RepositoryPassword.From(secure);
    }

    public Task<Repository> CreateAsync(IObjectStore? through = null) =>
        Repository.CreateAsync(through ?? new FaultStore(Store), Secret(Password), Options, default);

    public Task<Repository> OpenAsync(IObjectStore? through = null, string? password = null) =>
        Repository.OpenAsync(through ?? new FaultStore(Store), Secret(password ?? Password), Options, default);

    public static BackupRequest Request(IDiskSource source, RequestedBackupType type = RequestedBackupType.Auto,
        DateTime? time = null) =>
        new()
        {
            Appliance = Appliance,
            Disks = [new BackupDisk("scsi1", DiskRole.Data, source)],
            RequestedType = type,
            TimeUtc = time ?? DateTime.UtcNow,
        };

    public static Task<RestorePoint> BackupAsync(Repository repository, byte[] disk,
        RequestedBackupType type = RequestedBackupType.Auto, DateTime? time = null) =>
        BackupAsync(repository, new MemoryDiskSource(disk), time, type);

    public static Task<RestorePoint> BackupAsync(Repository repository, IDiskSource source, DateTime? time = null,
        RequestedBackupType type = RequestedBackupType.Auto) =>
        repository.BackupAsync(Request(source, type, time), null, null, default);

    public static async Task<byte[]> RestoreAsync(Repository repository, RestorePoint point, string? diskId = null)
    {
        using var target = new MemoryDiskTarget();
        await (await repository.OpenPointAsync(point, default)).ExportDiskAsync(diskId, target, null, default);
        Assert.True(target.IsComplete);
        return target.Bytes;
    }

    public static async Task<IReadOnlyList<RestorePoint>> PointsAsync(Repository repository) =>
        await repository.GetRestorePointsAsync(new RestorePointFilter(), null, default);

    public static async Task<List<CheckResult>> CheckAsync(Repository repository, bool full = true)
    {
        var results = new List<CheckResult>();
        await foreach (CheckResult result in repository.CheckAsync(full, null, default)) results.Add(result);
        return results;
    }

    /// <summary>Bytes that look like a disk: runs of zeros, of text-like and of random data.</summary>
    public static byte[] Disk(int bytes, int seed)
    {
        var random = new Random(seed);
        var disk = new byte[bytes];
        for (int at = 0; at < bytes;)
        {
            int run = Math.Min(bytes - at, random.Next(1, 400_000));
            Span<byte> part = disk.AsSpan(at, run);
            switch (random.Next(3))
            {
                case 0: random.NextBytes(part); break;
                case 1: for (int i = 0; i < run; i++) part[i] = (byte)("call record "[i % 12] + (i / 4096 % 7)); break;
            }
            at += run;
        }
        return disk;
    }

    /// <summary>The disk with some pages written.</summary>
    public static byte[] Change(byte[] disk, int pages, int seed)
    {
        byte[] changed = (byte[])disk.Clone();
        var random = new Random(seed);
        for (int i = 0; i < pages && changed.Length > 0; i++)
        {
            int at = random.Next(changed.Length), length = Math.Min(8192, changed.Length - at);
            if (random.Next(4) == 0) changed.AsSpan(at, length).Clear();
            else random.NextBytes(changed.AsSpan(at, length));
        }
        return changed;
    }

    public void Dispose()
    {
        Store.Dispose();
        _locks.Dispose();
    }
}

/// <summary>A disk target in memory.</summary>
public sealed class MemoryDiskTarget : IDiskTarget
{
    public byte[] Bytes { get; private set; } = [];
    public bool IsComplete { get; private set; }
    public long WrittenBytes { get; private set; }
    public bool AcceptsAnyOrder => true;

    public Task BeginAsync(long sizeBytes, CancellationToken cancellationToken)
    {
        Bytes = new byte[sizeBytes];
        return Task.CompletedTask;
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        lock (this)
        {
            bytes.CopyTo(Bytes.AsMemory((int)offset));
            WrittenBytes += bytes.Length;
        }
        return ValueTask.CompletedTask;
    }

    public Task CompleteAsync(CancellationToken cancellationToken)
    {
        IsComplete = true;
        return Task.CompletedTask;
    }

    public void Dispose() { }
}
