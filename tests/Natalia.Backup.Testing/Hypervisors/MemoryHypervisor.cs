using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Testing.Hypervisors;

/// <summary>
/// A connection to a <see cref="MemoryHost"/>, with the life cycle of Hyper-V's reference points or of VMware's
/// changeIds. It can die at
/// any call to the host: from then on every call throws, as for a process that is gone, and the host keeps what was
/// made until then.
/// </summary>
/// <remarks>
/// What it takes for granted, and a real host has yet to show: that the name given at the making of a snapshot is on
/// it from its first
/// moment, and stays on the reference point that it is turned into. What is ours is told by a note that was written
/// before with the
/// random id of the run, and never by the name alone.
/// </remarks>
public sealed class MemoryHypervisor(MemoryHost host, TokenLife life, CallFault? fault = null) : IHypervisor,
    IImageSource
{
    private int _calls;
    private long _readBytes;
    private bool _isDead;

    /// <summary>How many calls were made to the host.</summary>
    public int Calls => _calls;

    /// <summary>Whether the fault has happened.</summary>
    public bool HasStruck { get; private set; }

    /// <summary>Bytes read of disks.</summary>
    public long ReadBytes => Interlocked.Read(ref _readBytes);

    /// <summary>What each call was.</summary>
    public List<string> Log { get; } = [];

    /// <summary>Makes the next call of this name fail, once, without an effect.</summary>
    public string? FailOnce { get; set; }

    public string Kind => "Memory";

    public string Location => "memory";

    public T? Find<T>() where T : class => this as T;

    /// <summary>Called before every read of a disk; throws to make it fail.</summary>
    public Action? OnRead { get; set; }

    public MemoryHost Host => host;

    internal TokenLife Life => life;

    public static ApplianceDescription Describe(MemoryHost host) => new()
    {
        ApplianceId = new string('a', 32),
        Name = "natalia-memory",
        HypervisorKind = "Memory",
        NativeId = "vm-1",
        Disks = [.. host.DiskIds.Select((d, i) => new ApplianceDisk(d, i == 0
            ? DiskRole.Data : DiskRole.System, null))],
    };

    public Task<ApplianceInventory> GetAppliancesAsync(CancellationToken cancellationToken) =>
        CallAsync("list", () => new ApplianceInventory([Describe(host)]), cancellationToken);

    public async Task<IFrozenDisks> FreezeAsync(
        ApplianceDescription appliance, FreezeRequest how, CancellationToken cancellationToken)
    {
        if (how.DiskIds.FirstOrDefault(d => !host.Has(d)) is string missing) throw NoDisk(missing);
        string name = "natalia-" + how.RunId;
        await CallAsync("note", () =>
        {
            // Of runs that died before anything stood for their notes.
            foreach ((string stale, (_, string repositoryId, string historyId)) in host.Notes.ToList())
            {
                bool isOurs = repositoryId == how.RepositoryId && historyId == how.HistoryId;
                if (isOurs && host.Objects.TrueForAll(o => o.Name != stale)) host.Notes.Remove(stale);
            }
            host.Notes[name] = (how.RunId, how.RepositoryId, how.HistoryId);
        }, cancellationToken);
        string? reason = null;
        MemoryObject? snapshot = null;
        try
        {
            bool isWanted = how.Quiescing != Quiescing.Skip;
            if (isWanted && !await CallAsync("quiesce", () => !host.IsGuestDeaf, cancellationToken))
            {
                reason = "The guest did not answer.";
                if (how.Quiescing == Quiescing.Require)
                    throw new NataliaException(ErrorIds.QuiesceFailed, NataliaErrorKind.InvalidOperation,
                        "The guest did not put its data in order: it did not answer.", appliance.Name);
            }
            snapshot = await CallAsync("snapshot",
                () => host.Make(MemoryObject.Snapshot, name, host.Capture(how.DiskIds)), cancellationToken);
            Consistency reached = isWanted && reason is null ? Consistency.Application : Consistency.Crash;
            return new MemoryFrozenDisks(this, snapshot, how, reached, reason);
        }
        catch
        {
            // One whose answer was lost is found by its name, which is in the note.
            using var bounded = new CancellationTokenSource(TimeSpan.FromSeconds(10));
            foreach (MemoryObject made in host.Objects.Where(o => o.Name == name).ToList())
                await RemoveAsync(made.Id, bounded.Token);
            await CallAsync("forget", () => host.Notes.Remove(name), bounded.Token);
            throw;
        }
    }

    public Task<IReadOnlyList<Leftover>> FindLeftoversAsync(
        ApplianceDescription? appliance, CancellationToken cancellationToken) => CallAsync("look", () =>
    {
        var found = new List<Leftover>();
        foreach (MemoryObject thing in host.Objects)
        {
            if (!host.Notes.TryGetValue(thing.Name, out (string RunId, string RepositoryId, string HistoryId) note))
                continue;
            found.Add(new Leftover
            {
                Id = thing.Id,
                Description = thing.Kind == MemoryObject.Snapshot ? "a snapshot" : "a reference point",
                ApplianceId = Describe(host).ApplianceId,
                RepositoryId = note.RepositoryId,
                HistoryId = note.HistoryId,
                RunId = note.RunId,
                Tokens = thing.Kind == MemoryObject.Snapshot
                    ? [] : [.. thing.States.Select(s => Token(thing, s.Value))],
            });
        }
        return (IReadOnlyList<Leftover>)found;
    }, cancellationToken);

    public Task RemoveLeftoverAsync(Leftover leftover, CancellationToken cancellationToken) =>
        RemoveAsync(leftover.Id, cancellationToken);

    internal async Task RemoveAsync(string id, CancellationToken cancellationToken)
    {
        if (host.Find(id) is not MemoryObject thing) return;
        await CallAsync("remove", () => host.Remove(id), cancellationToken);
        // The note last: what it stands for must be gone before it is.
        if (host.Objects.TrueForAll(o => o.Name != thing.Name)) await CallAsync("forget",
            () => host.Notes.Remove(thing.Name), cancellationToken);
    }

    /// <summary>Turns a snapshot into a reference point.</summary>
    internal Task<MemoryObject> ConvertAsync(MemoryObject snapshot, CancellationToken cancellationToken) =>
        CallAsync("convert", () =>
    {
        host.Remove(snapshot.Id);
        return host.Make(MemoryObject.ReferencePoint, snapshot.Name, snapshot.States);
    }, cancellationToken);

    /// <summary>Names a state: the disk, the last write, and for Hyper-V the point that keeps it.</summary>
    internal string Token(MemoryObject keeper, MemoryState state) =>
        string.Format(CultureInfo.InvariantCulture, "{0}/{1}/{2}", life == TokenLife.BornAtSeal
            ? keeper.Id : "-", state.Identity, state.Write);

    internal Task<ChangedExtents> ChangesAsync(MemoryState now, string sinceToken,
        CancellationToken cancellationToken) => CallAsync("changes", () =>
    {
        string[] parts = sinceToken.Split('/');
        if (parts.Length != 3 || !long.TryParse(parts[2], NumberStyles.None, CultureInfo.InvariantCulture,
            out long write)) return new ChangedExtents(null, $"'{sinceToken}' is no token.");
        if (parts[1] != now.Identity) return new ChangedExtents(null, "The token belongs to another disk.");
        if (life == TokenLife.BornAtSeal
            && host.Find(parts[0]) is not { Kind: MemoryObject.ReferencePoint }) return new ChangedExtents(null,
                "The reference point is gone.");
        return new ChangedExtents(now.WrittenSince(write));
    }, cancellationToken);

    /// <summary>The process is gone.</summary>
    public void Kill() => _isDead = true;

    internal void CountRead(int bytes)
    {
        OnRead?.Invoke();
        Interlocked.Add(ref _readBytes, bytes);
    }

    internal static NataliaException NoDisk(string diskId) =>
        new(ErrorIds.DiskNotFound, NataliaErrorKind.NotFound, $"There is no disk '{diskId}'.", diskId);

    internal async Task<T> CallAsync<T>(string name, Func<T> call, CancellationToken cancellationToken)
    {
        await Task.Yield();
        if (_isDead) throw new SimulatedCrashException(name);
        cancellationToken.ThrowIfCancellationRequested();
        Log.Add(name);
        bool isStruck = _calls++ == fault?.At;
        if (isStruck && !fault!.IsAfter) Strike(name);
        if (FailOnce == name)
        {
            FailOnce = null;
            throw Silence(name);
        }
        T result = call();
        if (isStruck) Strike(name);
        return result;
    }

    private Task CallAsync(string name, Action call, CancellationToken cancellationToken) => CallAsync(name, () =>
    {
        call();
        return true;
    }, cancellationToken);

    private void Strike(string name)
    {
        HasStruck = true;
        if (!fault!.IsDeath) throw Silence(name);
        _isDead = true;
        throw new SimulatedCrashException(name);
    }

    private static NataliaException Silence(string name) =>
        new(ErrorIds.HypervisorNotFound, NataliaErrorKind.Timeout, $"The host did not answer ({name}).");

    public void Dispose()
    {
    }
}
