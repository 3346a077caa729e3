using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Network;

namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// Proves by trying that a destination keeps what a store must promise, instead of trusting it: writes, reads, fights
/// with itself for a name, and tries to delete what is locked. Works below <c>probes/</c> and removes what it made,
/// except for the locked probe, which a later run removes when its lock has ended.
/// </summary>
public sealed class StoreProbe
{
    private const string Folder = "probes/";
    private const int Writers = 8;

    private readonly IObjectStore _store;
    private readonly StoreProbeOptions _options;
    private readonly string _prefix = Folder + Guid.NewGuid().ToString("n") + "/";
    private readonly byte[] _bytes = new byte[300_000];

    private bool _isFull;

    // How far the store's clock is ahead of ours; known after the first check that worked.
    private TimeSpan? _ahead;

    private StoreProbe(IObjectStore store, StoreProbeOptions options)
    {
        _store = store;
        _options = options;
        new Random().NextBytes(_bytes);
    }

    /// <summary>
    /// Runs all checks, in this order: <c>StoreReachable</c>, <c>StoreReadAfterWrite</c>, <c>StoreRangedRead</c>,
    /// <c>StoreConcurrentWriters</c>, <c>StoreClock</c>, <c>StoreFreeSpace</c>, <c>StoreOffHost</c>,
    /// <c>StoreImmutability</c>. A check that does not pass is a result with its error id, not an exception.
    /// </summary>
    /// <param name="store">The destination.</param>
    /// <param name="options">What to compare with; null takes the defaults.</param>
    /// <param name="cancellationToken">Stops it; what was made is still removed.</param>
    public static async IAsyncEnumerable<CheckResult> RunAsync(IObjectStore store, StoreProbeOptions? options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var probe = new StoreProbe(store, options ?? new StoreProbeOptions());
        (string Name, string Expected, Func<CancellationToken, Task<Finding>> Check)[] checks =
        [
            ("StoreReachable", "answers", probe.ReachAsync),
            ("StoreReadAfterWrite", "what was put is read, listed and deleted at once", probe.ReadAfterWriteAsync),
            ("StoreRangedRead", "ranges of an object, up to its end and behind it", probe.ReadRangesAsync),
            ("StoreConcurrentWriters", "one of several writers gets a name", probe.FightAsync),
            ("StoreClock", "the same time as this machine", probe.CompareClocksAsync),
            ("StoreFreeSpace", $"at least {Size(probe._options.MinimumFreeBytes)}", probe.MeasureRoomAsync),
            ("StoreOffHost", "another machine than this one and the hypervisor", probe.LocateAsync),
            ("StoreImmutability", "deleting a locked object is refused", probe.TryToDeleteLockedAsync),
        ];
        try
        {
            bool reachable = true;
            foreach ((string name, string expected, Func<CancellationToken, Task<Finding>> check) in checks)
            {
                if (!reachable)
                {
                    yield return probe.Result(name, expected,
                        new Finding(CheckOutcome.Skipped, null, "The store cannot be reached."), TimeSpan.Zero);
                    continue;
                }
                CheckResult result = await probe.TryAsync(name, expected, check,
                    cancellationToken).ConfigureAwait(false);
                if (name == "StoreReachable") reachable = result.Result != CheckOutcome.Failed;
                yield return result;
            }
        }
        finally
        {
            await probe.RemoveProbesAsync().ConfigureAwait(false);
        }
    }

    private sealed record Finding(CheckOutcome Result, string? Actual, string? Detail = null, string? ErrorId = null,
        string? Tolerance = null);

    private static Finding Failed(string actual, string detail) =>
        new(CheckOutcome.Failed, actual, detail, ErrorIds.StoreCheckFailed);

    private async Task<CheckResult> TryAsync(string name, string expected, Func<CancellationToken, Task<Finding>> check,
        CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        Finding finding;
        try
        {
            finding = await check(cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreFull)
        {
            _isFull = true;
            finding = new Finding(CheckOutcome.Skipped, null, "The store is full, and this check has to write.",
                error.ErrorId);
        }
        catch (NataliaException error)
        {
            finding = new Finding(CheckOutcome.Failed, null,
                error.RecommendedAction is null ? error.Message : $"{error.Message} {error.RecommendedAction}",
                error.ErrorId);
        }
        return Result(name, expected, finding, watch.Elapsed);
    }

    private CheckResult Result(string name, string expected, Finding finding, TimeSpan duration) => new()
    {
        Name = name,
        Result = finding.Result,
        Target = _store.Location,
        Expected = expected,
        Actual = finding.Actual,
        Tolerance = finding.Tolerance,
        Detail = finding.Detail,
        ErrorId = finding.ErrorId,
        Duration = duration,
        RepositoryId = _options.RepositoryId,
    };

    private async Task<Finding> ReachAsync(CancellationToken cancellationToken)
    {
        await _store.StatAsync(_prefix + "nothing", cancellationToken).ConfigureAwait(false);
        return new Finding(CheckOutcome.Passed, "answers");
    }

    private async Task<Finding> ReadAfterWriteAsync(CancellationToken cancellationToken)
    {
        string name = _prefix + "written";
        DateTime before = Now;
        await PutAsync(name, _bytes, cancellationToken).ConfigureAwait(false);
        DateTime after = Now;
        StoredObject? found = await _store.StatAsync(name, cancellationToken).ConfigureAwait(false);
        if (found is null || found.Length != _bytes.Length)
            return Failed(found is null ? "not found after the put" : $"{found.Length} bytes of {_bytes.Length}",
                "What was put is not there at once, so a run could not see another one's lease.");
        // The stored second may be cut off, so anything within it counts as the same time.
        _ahead = found.LastModifiedUtc > after
            ? found.LastModifiedUtc - after
            : found.LastModifiedUtc.AddSeconds(1) < before
                ? found.LastModifiedUtc.AddSeconds(1) - before
                : TimeSpan.Zero;
        if (!await ListsAsync(name, cancellationToken).ConfigureAwait(false))
            return Failed("not listed after the put",
                "What was put is not listed at once, so a new restore point could be overlooked.");
        if (!(await ReadAsync(name, cancellationToken).ConfigureAwait(false)).AsSpan().SequenceEqual(_bytes))
            return Failed("other bytes than were put", "The store does not give back what it was given.");
        await _store.FlushAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await _store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectLocked)
        {
            return new Finding(CheckOutcome.Warning, "read and listed at once; locked by the store itself",
                $"The store locks what is put into it without a lock, too, so that short-lived objects stay and cost "
                + $"their storage. {error.Message}");
        }
        if (await _store.StatAsync(name, cancellationToken).ConfigureAwait(false) is not null
            || await ListsAsync(name, cancellationToken).ConfigureAwait(false))
            return Failed("still there after its deletion", "Space of removed restore points would not come back.");
        return new Finding(CheckOutcome.Passed, "read, listed and deleted at once");
    }

    private async Task<Finding> ReadRangesAsync(CancellationToken cancellationToken)
    {
        string name = _prefix + "ranges";
        await PutAsync(name, _bytes, cancellationToken).ConfigureAwait(false);
        foreach ((int offset, int length,
            int expected) in new[] { (0, 1, 1), (65_536, 65_536, 65_536), (_bytes.Length - 10, 10,
                10), (_bytes.Length - 10, 100, 10), (_bytes.Length, 10, 0) })
        {
            byte[] buffer = new byte[length];
            int read = await _store.ReadAsync(name, offset, buffer, cancellationToken).ConfigureAwait(false);
            if (read != expected || !buffer.AsSpan(0, read).SequenceEqual(_bytes.AsSpan(offset, expected)))
                return Failed($"{read} bytes at offset {offset}, expected {expected}",
                    "Parts of objects are not read as they were written.");
        }
        return new Finding(CheckOutcome.Passed, "exact");
    }

    private async Task<Finding> FightAsync(CancellationToken cancellationToken)
    {
        string name = _prefix + "fight";
        var claim = new PutOptions { Class = ObjectClass.Transient, MustNotExist = true };
        int[] won = await Task.WhenAll(Enumerable.Range(1, Writers).Select(async writer =>
        {
            try
            {
                await _store.PutAsync(name, new ObjectContent(new[] { (byte)writer }), claim,
                    cancellationToken).ConfigureAwait(false);
                return writer;
            }
            catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectExists)
            {
                return 0;
            }
        })).ConfigureAwait(false);
        int winners = won.Count(w => w > 0);
        byte first = (await ReadAsync(name, cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        if (_store.HasExclusiveCreate)
        {
            return winners == 1 && won.Contains(first)
                ? new Finding(CheckOutcome.Passed, "one winner, by exclusive create")
                : Failed($"{winners} winners",
                    "Two runs could both believe that they may write an appliance's part of the repository.");
        }
        // No exclusive create: then the first bytes must stay, so that everybody sees the same winner.
        try
        {
            await _store.PutAsync(name, new ObjectContent(new byte[] { 200 }),
                new PutOptions { Class = ObjectClass.Transient }, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectExists)
        {
            // As good.
        }
        byte later = (await ReadAsync(name, cancellationToken).ConfigureAwait(false)).FirstOrDefault();
        return first == later && won.Contains(first) ? new Finding(CheckOutcome.Passed, "the first one stays")
            : Failed("a later writer replaced an earlier one",
                "The server ignores conditions on a put, and the bucket keeps no versions: two runs could both "
                + "believe that they may write. Switch versioning on for the bucket.");
    }

    private Task<Finding> CompareClocksAsync(CancellationToken cancellationToken)
    {
        if (_ahead is not TimeSpan ahead)
            return Task.FromResult(new Finding(CheckOutcome.NotEvidenced, null,
                "Nothing could be written, so the store gave no time."));
        string actual = ahead == TimeSpan.Zero
            ? "the same"
            : $"{Seconds(ahead.Duration())} {(ahead > TimeSpan.Zero ? "ahead" : "behind")}";
        bool close = ahead.Duration() <= _options.ClockTolerance;
        return Task.FromResult(new Finding(close ? CheckOutcome.Passed : CheckOutcome.Warning, actual,
            close ? null : "Let both clocks be kept by NTP: locks are dated by this machine's clock, and servers "
                + "refuse requests from a clock that is minutes off.",
            Tolerance: Seconds(_options.ClockTolerance)));
    }

    private async Task<Finding> MeasureRoomAsync(CancellationToken cancellationToken)
    {
        StorePlacement? place = await PlaceAsync(cancellationToken).ConfigureAwait(false);
        if (_isFull)
            return new Finding(CheckOutcome.Warning, "none",
                "The store takes no more: backups fail. Remove restore points and optimize, or make more room.",
                ErrorIds.StoreFull);
        if (place?.FreeBytes is not long free)
            return new Finding(CheckOutcome.Skipped, null, "This kind of store does not tell how much room it has.");
        return free >= _options.MinimumFreeBytes ? new Finding(CheckOutcome.Passed, Size(free))
            : new Finding(CheckOutcome.Warning, Size(free),
                "Backups will fail when the room ends; make more, or keep fewer restore points.");
    }

    private async Task<Finding> LocateAsync(CancellationToken cancellationToken)
    {
        StorePlacement? place = await PlaceAsync(cancellationToken).ConfigureAwait(false);
        string? host = place?.HostName;
        string actual = host ?? (place?.IsThisMachine == true ? "this machine" : "unknown");
        if (host is not null && _options.HypervisorHosts.Any(h => MachineNames.AreSame(h, host) == true))
            return new Finding(CheckOutcome.Warning, actual,
                "The destination lies on the hypervisor's own host, so what destroys the host destroys the backups "
                + "too. Use another machine.");
        return place?.IsThisMachine switch
        {
            null => new Finding(CheckOutcome.NotEvidenced, actual,
                "It cannot be told on which machine the destination lies."),
            true => new Finding(CheckOutcome.Warning, actual,
                "The destination lies on this machine, so what destroys this machine destroys the backups too. Use a "
                + "share of another machine, or a bucket."),
            false when host is not null
                && _options.HypervisorHosts.FirstOrDefault(h => MachineNames.AreSame(h, host) is null) is string untold
                => new Finding(CheckOutcome.NotEvidenced, actual,
                $"Whether '{host}' and '{untold}', the hypervisor's host, are one machine cannot be told: one is an "
                + "address and the other a name, or an address of another family. Connect both by name, or both by "
                + "addresses of one family."),
            false => new Finding(CheckOutcome.Passed, actual),
        };
    }

    private async Task<Finding> TryToDeleteLockedAsync(CancellationToken cancellationToken)
    {
        if (_store.ObjectLock is not IObjectLock locks)
            return new Finding(CheckOutcome.Skipped, "none",
                "This repository sets no locks: whoever has its credentials can delete it.");
        string name = _prefix + "locked";
        // By the store's clock: a lock that ends in the past is refused, whatever our clock says.
        DateTime until = Now + (_ahead ?? TimeSpan.Zero) + _options.LockDuration;
        await _store.PutAsync(name, new ObjectContent(_bytes),
            new PutOptions { Class = ObjectClass.Transient, RetainUntilUtc = until },
            cancellationToken).ConfigureAwait(false);
        DateTime? locked = await locks.GetRetainUntilAsync(name, cancellationToken).ConfigureAwait(false);
        try
        {
            await _store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
            return new Finding(CheckOutcome.Failed, "deleted in spite of its lock",
                "The server takes locks and does not keep them: nothing in this repository is immutable.",
                ErrorIds.ObjectNotLocked);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectLocked)
        {
            // As it must be.
        }
        if (!(await ReadAsync(name, cancellationToken).ConfigureAwait(false)).AsSpan().SequenceEqual(_bytes))
            return Failed("changed in spite of its lock", "A refused deletion harmed the object.");
        string detail = locks.Mode == ObjectLockMode.Compliance
            ? "Nobody can lift such a lock."
            : "Who has the right to bypass governance can lift such a lock.";
        return new Finding(CheckOutcome.Passed,
            $"refused, locked until {locked?.ToString("u", CultureInfo.InvariantCulture)} ({locks.Mode})", detail);
    }

    /// <summary>Removes what this probe and earlier ones made, as far as no lock forbids it.</summary>
    private async Task RemoveProbesAsync()
    {
        try
        {
            DateTime abandoned = Now + (_ahead ?? TimeSpan.Zero) - TimeSpan.FromHours(1);
            var mine = new List<string>();
            await foreach (StoredObject item in _store.ListAsync(Folder, CancellationToken.None).ConfigureAwait(false))
                if (item.Name.StartsWith(_prefix, StringComparison.Ordinal) || item.LastModifiedUtc < abandoned)
                    mine.Add(item.Name);
            foreach (string name in mine)
            {
                try { await _store.DeleteAsync(name, CancellationToken.None).ConfigureAwait(false); }
                catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectLocked)
                {
                    // A later run removes it.
                }
            }
        }
        catch (NataliaException)
        {
            // The checks have said what is wrong with the store; probes that stay are removed by a later run.
        }
    }

    private async Task<StorePlacement?> PlaceAsync(CancellationToken cancellationToken) =>
        _store.Find<IPlacedStore>() is IPlacedStore placed
            ? await placed.GetPlacementAsync(cancellationToken).ConfigureAwait(false)
            : null;

    private Task PutAsync(string name, byte[] bytes, CancellationToken cancellationToken) =>
        _store.PutAsync(name, new ObjectContent(bytes), new PutOptions { Class = ObjectClass.Transient },
            cancellationToken);

    private async Task<byte[]> ReadAsync(string name, CancellationToken cancellationToken)
    {
        using Stream stream = await _store.OpenReadAsync(name, cancellationToken).ConfigureAwait(false);
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, 81920, cancellationToken).ConfigureAwait(false);
        return all.ToArray();
    }

    private async Task<bool> ListsAsync(string name, CancellationToken cancellationToken)
    {
        await foreach (StoredObject item in _store.ListAsync(_prefix, cancellationToken).ConfigureAwait(false))
            if (item.Name == name) return true;
        return false;
    }

    private DateTime Now => _options.Clock.GetUtcNow().UtcDateTime;

    private static string Seconds(TimeSpan time) =>
        time.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture) + " s";

    private static string Size(long bytes) =>
        bytes >= 1L << 30
            ? (bytes / (double)(1L << 30)).ToString("0.#", CultureInfo.InvariantCulture) + " GiB"
            : (bytes / (double)(1L << 20)).ToString("0.#", CultureInfo.InvariantCulture) + " MiB";
}
