using System.Diagnostics;
using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Leases;

/// <summary>Who holds a lease, and for what; a purpose that is null is not known.</summary>
internal sealed record LeaseHolder(string Host, long ProcessId, string User, DateTime SinceUtc, Id128 Holder,
    string? Nonce, string? Purpose);

/// <summary>
/// The right to write one appliance's part of a repository, across processes and machines. docs/format.md §10.
/// Claimed by creating the object of the next epoch; renewed in the background; given up by an object that ends the
/// epoch. A holder that dies without ending it is known to be dead at once on the same machine, and from elsewhere
/// after <see cref="Lifetime"/> by the store's clock, or by that of a machine that sees no change for so long.
/// </summary>
internal sealed class Lease : IAsyncDisposable
{
    /// <summary>A lease that was not renewed for this long, by the store's clock, may be taken over.</summary>
    internal static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan s_renewEvery = TimeSpan.FromMinutes(2);

    /// <summary>A holder that could not renew stops writing well before another may take over.</summary>
    private static readonly TimeSpan s_trustFor = TimeSpan.FromMinutes(8);

    /// <summary>Where create is not exclusive: how long to wait before looking who was first.</summary>
    private static readonly TimeSpan s_settle = TimeSpan.FromSeconds(2);

    private readonly IObjectStore _store;
    private readonly TimeProvider _clock;
    private readonly string _applianceId;
    private readonly string _directory;
    private readonly long _epoch;
    private readonly LocalLock? _localLock;
    private readonly CancellationTokenSource _stopRenewing = new();
    private readonly Task _renewing;
    private long _renewedAt;

    private Lease(IObjectStore store, TimeProvider clock, string applianceId, long epoch, byte[] claim, long claimedAt,
        LocalLock? localLock, bool wasTakenOver)
    {
        WasTakenOver = wasTakenOver;
        _store = store;
        _clock = clock;
        _applianceId = applianceId;
        _directory = Layout.Leases(applianceId);
        _epoch = epoch;
        _localLock = localLock;
        _renewedAt = claimedAt;
        _renewing = RenewAsync(claim);
    }

    /// <summary>
    /// Whether the holder before died without ending its lease. Only who takes the lease can tell: a look before it may
    /// see a run that ends a moment later.
    /// </summary>
    internal bool WasTakenOver { get; }

    /// <summary>
    /// How far this machine's clock is ahead of the store's, negative when it is behind, as the claim's date tells;
    /// zero where a folder of this machine has its clock.
    /// </summary>
    internal TimeSpan ClockAhead { get; private init; }

    /// <summary>Takes the lease.</summary>
    /// <param name="store">The store.</param>
    /// <param name="repositoryId">The repository.</param>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="lockDirectory">Where this machine keeps lock files; null for nowhere.</param>
    /// <param name="clock">The clock, for waiting and for watching: ages are measured by the store's, and by how long
    /// this machine saw no change.</param>
    /// <param name="purpose">What it is wanted for, see <see cref="LeasePurposes"/>; or null.</param>
    /// <exception cref="NataliaException"><c>LeaseHeld</c>; a store error.</exception>
    internal static async Task<Lease> AcquireAsync(IObjectStore store, string repositoryId, string applianceId,
        string? lockDirectory, TimeProvider clock, string? purpose, CancellationToken cancellationToken)
    {
        string directory = Layout.Leases(applianceId);
        (string Name, Id128 Holder)? claimed = null;
        LocalLock? localLock = LocalLock.TryTake(lockDirectory, repositoryId, applianceId, out bool heldHere);
        try
        {
            LeaseRoom room = await LeaseRoom.ReadAsync(store, applianceId, cancellationToken).ConfigureAwait(false);
            var watch = new LeaseWatch(lockDirectory, repositoryId, applianceId, clock);
            if (!room.IsEnded)
            {
                bool knownDead = localLock is not null && room.Holder?.Nonce is string nonce
                    && localLock.Earlier.Contains(nonce);
                if (!knownDead)
                {
                    DateTime now = await StoreNowAsync(store, directory, cancellationToken).ConfigureAwait(false);
                    TimeSpan age = now - room.NewestUtc;
                    // A store whose clock was set, or stands, says nothing about ages. What did not change while this
                    // machine's own clock ran for the whole term is dead as well: a living holder would have renewed
                    // it.
                    TimeSpan unchanged = watch.See(room.Signature);
                    if (heldHere || age < Lifetime && unchanged < Lifetime)
                        throw Held(applianceId, room.Holder,
                            heldHere ? null : Lifetime - (age > unchanged ? age : unchanged));
                }
            }
            else if (heldHere)
            {
                throw Held(applianceId, null, null);
            }
            watch.Forget();
            long epoch = room.Next;
            var me = new LeaseHolder(Environment.MachineName, Process.GetCurrentProcess().Id, Environment.UserName,
                clock.UtcNow(), Id128.NewRandom(), localLock?.Nonce, purpose);
            byte[] claim = Encode(me, applianceId, epoch);
            string name = directory + Layout.Number(epoch);
            claimed = (name, me.Holder);
            DateTime before = clock.UtcNow(), after;
            long claimedAt = clock.GetTimestamp();
            async Task ClaimAsync() =>
                await store.PutAsync(name, new ObjectContent(claim),
                    new PutOptions { MustNotExist = true, Class = ObjectClass.Transient },
                    cancellationToken).ConfigureAwait(false);
            // Where one more object does not fit, the end of the lease before makes room for a removal: else nothing
            // could be removed from a store that is full. Its claim stays, which keeps the number.
            List<StoredObject> spare = room.IsEnded && purpose == LeasePurposes.Removal
                ? [.. room.All
                    .Where(o => !room.Newest.Contains(o) || o.Name.EndsWith(".end", StringComparison.Ordinal))]
                : [];
            try
            {
                try
                {
                    await ClaimAsync().ConfigureAwait(false);
                }
                catch (NataliaException full) when (full.ErrorId == ErrorIds.StoreFull && spare.Count > 0)
                {
                    foreach (StoredObject old in spare)
                        await DeleteAsync(store, old.Name, cancellationToken).ConfigureAwait(false);
                    try
                    {
                        await ClaimAsync().ConfigureAwait(false);
                    }
                    catch
                    {
                        // It had ended, and nobody shall wait for it.
                        if (room.Highest > 0)
                            await EndAsync(store, directory + Layout.Number(room.Highest)).ConfigureAwait(false);
                        throw;
                    }
                }
            }
            catch (NataliaException lost) when (lost.ErrorId == ErrorIds.ObjectExists)
            {
                // Either another was first, or an earlier try of this very put had reached the store: reading back
                // tells.
            }
            after = clock.UtcNow();
            if (!store.HasExclusiveCreate) await clock.WaitAsync(s_settle, cancellationToken).ConfigureAwait(false);
            LeaseHolder? winner = await TryReadAsync(store, name, cancellationToken).ConfigureAwait(false);
            if (winner?.Holder != me.Holder)
            {
                claimed = null;
                throw Held(applianceId, winner, Lifetime);
            }
            // A put that came late finds the name free as well when that epoch is over: whoever deleted what was there
            // had claimed a later one before, and may be at work.
            if (await LeaseRoom.IsTakenOverAsync(store, applianceId, epoch, cancellationToken).ConfigureAwait(false))
                throw Held(applianceId, null, null);
            foreach (StoredObject old in room.All)
                await DeleteAsync(store, old.Name, cancellationToken).ConfigureAwait(false);
            return new Lease(store, clock, applianceId, epoch, claim, claimedAt, localLock, wasTakenOver: !room.IsEnded)
            {
                ClockAhead = await MeasureClockAsync(store, name, before, after,
                    cancellationToken).ConfigureAwait(false),
            };
        }
        catch
        {
            // Stopped between claim and use: a claim that nobody ends would keep other machines waiting.
            try
            {
                if (claimed is var (unused, holder))
                    await EndUnusedAsync(store, unused, holder, clock).ConfigureAwait(false);
            }
            finally
            {
                localLock?.Dispose();
            }
            throw;
        }
    }

    /// <summary>Whether a lease was claimed and not ended: a run is at work, or died.</summary>
    internal static async Task<bool> IsOpenAsync(IObjectStore store, string applianceId,
        CancellationToken cancellationToken) =>
        !(await LeaseRoom.ReadAsync(store, applianceId, cancellationToken).ConfigureAwait(false)).IsEnded;

    /// <summary>
    /// Who made the newest claim, whether it was ended or not; null when there is none that can be read.
    /// </summary>
    internal static async Task<LeaseHolder?> FindHolderAsync(IObjectStore store, string applianceId,
        CancellationToken cancellationToken) =>
        await (await LeaseRoom.ReadAsync(store, applianceId,
            cancellationToken).ConfigureAwait(false)).FindHolderAsync(store,
            cancellationToken).ConfigureAwait(false);

    /// <summary>Throws when the right to write is gone. Called before everything that makes a change visible.</summary>
    /// <exception cref="NataliaException"><c>LeaseLost</c>.</exception>
    internal async Task EnsureHeldAsync(CancellationToken cancellationToken)
    {
        TimeSpan sinceRenewal = _clock.GetElapsedTime(Interlocked.Read(ref _renewedAt));
        if (sinceRenewal > s_trustFor)
            throw Lost($"The lease could not be renewed for {sinceRenewal.TotalMinutes:0} minutes, so that another "
                + "run may hold it now.");
        if (await LeaseRoom.IsTakenOverAsync(_store, _applianceId, _epoch, cancellationToken).ConfigureAwait(false))
            throw Lost("Another run has taken the lease over.");
    }

    /// <summary>Ends the lease. Never throws: a lease that cannot be ended runs out.</summary>
    public async ValueTask DisposeAsync()
    {
        _stopRenewing.Cancel();
        try
        {
            await _renewing.ConfigureAwait(false);
            await EndAsync(_store, _directory + Layout.Number(_epoch)).ConfigureAwait(false);
        }
        finally
        {
            _localLock?.Dispose();
            _stopRenewing.Dispose();
        }
    }

    /// <summary>
    /// Ends a claim that comes to nothing, where it is there and names this holder. Any other may be that of a run at
    /// work, which must not look as if it had ended. One that cannot be told runs out.
    /// </summary>
    private static async Task EndUnusedAsync(IObjectStore store, string claim, Id128 holder, TimeProvider clock)
    {
        try
        {
            using var bounded = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            // Before that, two may each read their own.
            if (!store.HasExclusiveCreate) await clock.WaitAsync(s_settle, bounded.Token).ConfigureAwait(false);
            LeaseHolder? first = await TryReadAsync(store, claim, bounded.Token).ConfigureAwait(false);
            if (first?.Holder != holder) return;
        }
        catch (Exception)
        {
            // Why the lease was not taken is what the caller throws.
            return;
        }
        await EndAsync(store, claim).ConfigureAwait(false);
    }

    /// <summary>Never throws.</summary>
    private static async Task EndAsync(IObjectStore store, string claim)
    {
        try
        {
            using var bounded = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            await store.PutAsync(claim + ".end", new ObjectContent(Encode(null, "", 0)),
                new PutOptions { Class = ObjectClass.Transient }, bounded.Token).ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The store is away. The next holder on this machine finds the local lock free, one elsewhere waits until
            // the lease has run out.
        }
    }

    private async Task RenewAsync(byte[] claim)
    {
        CancellationToken stop = _stopRenewing.Token;
        for (int n = 1; ; n++)
        {
            try
            {
                await _clock.WaitAsync(s_renewEvery, stop).ConfigureAwait(false);
                // Others count from when the store took it, and its answer may take minutes.
                long asked = _clock.GetTimestamp();
                await _store.PutAsync(Renewal(n), new ObjectContent(claim),
                    new PutOptions { Class = ObjectClass.Transient }, stop).ConfigureAwait(false);
                Interlocked.Exchange(ref _renewedAt, asked);
                if (n > 1) await DeleteAsync(_store, Renewal(n - 1), stop).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception)
            {
                // Whatever it was: tried again in two minutes. EnsureHeldAsync stops the writer when that goes on for
                // too long.
            }
        }
    }

    private string Renewal(int n) => _directory + Layout.Number(_epoch) + "." + Layout.Number(n);

    /// <summary>Compares the clocks by the date of an object that was just put.</summary>
    private static async Task<TimeSpan> MeasureClockAsync(IObjectStore store, string name, DateTime before,
        DateTime after, CancellationToken cancellationToken)
    {
        // A folder on a disk of this machine is dated by the clock that is to be compared.
        if (store.Kind == "Folder"
            && (store.Find<IPlacedStore>() is not IPlacedStore placed
                || (await placed.GetPlacementAsync(cancellationToken).ConfigureAwait(false)).IsThisMachine != false))
            return TimeSpan.Zero;
        if (await store.StatAsync(name, cancellationToken).ConfigureAwait(false) is not StoredObject claim)
            return TimeSpan.Zero;
        // Seconds are cut off by many stores; what is meant here are minutes and years.
        return claim.LastModifiedUtc > after
            ? after - claim.LastModifiedUtc
            : claim.LastModifiedUtc < before ? before - claim.LastModifiedUtc : TimeSpan.Zero;
    }

    /// <summary>What time it is by the store's clock, found by putting a probe and looking at its date.</summary>
    /// <exception cref="NataliaException">A store error.</exception>
    internal static async Task<DateTime> StoreNowAsync(IObjectStore store, string directory,
        CancellationToken cancellationToken)
    {
        string probe = directory + "probe-" + Id128.NewRandom();
        await store.PutAsync(probe, new ObjectContent(Encode(null, "", 0)),
            new PutOptions { Class = ObjectClass.Transient }, cancellationToken).ConfigureAwait(false);
        StoredObject? info = await store.StatAsync(probe, cancellationToken).ConfigureAwait(false);
        await DeleteAsync(store, probe, cancellationToken).ConfigureAwait(false);
        return info?.LastModifiedUtc
            ?? throw new NataliaException(ErrorIds.StoreReadFailed, NataliaErrorKind.ReadFailed,
                $"An object put into {store.Location} was not there a moment later.", probe);
    }

    /// <summary>
    /// A bucket whose default retention locks everything keeps old leases until their date; only the highest epoch
    /// counts anyway.
    /// </summary>
    private static async Task DeleteAsync(IObjectStore store, string name, CancellationToken cancellationToken)
    {
        try
        {
            await store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
        {
        }
    }

    private static byte[] Encode(LeaseHolder? holder, string applianceId, long epoch)
    {
        byte[] header = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("epoch", epoch);
            if (holder is not null)
            {
                json.WriteString("appliance", applianceId);
                json.WriteString("holder", holder.Holder.ToString());
                json.WriteString("host", holder.Host);
                json.WriteNumber("process", holder.ProcessId);
                json.WriteString("user", holder.User);
                json.WriteString("sinceUtc", JsonText.Time(holder.SinceUtc));
                if (holder.Nonce is not null) json.WriteString("nonce", holder.Nonce);
                if (holder.Purpose is not null) json.WriteString("purpose", holder.Purpose);
            }
            json.WriteEndObject();
        });
        return SmallObject.Encode(ObjectKind.Lease, Id128.NewRandom(), header, [], ObjectKeys.None).Bytes;
    }

    /// <summary>The holder that a claim, or what renews it, names.</summary>
    /// <exception cref="FormatException">It is damaged, or no claim.</exception>
    /// <exception cref="NataliaException"><c>ObjectNotFound</c>, a store error.</exception>
    internal static async Task<LeaseHolder> ReadAsync(IObjectStore store, string name,
        CancellationToken cancellationToken)
    {
        byte[] bytes = await store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false);
        Envelope envelope = SmallObject.Check(bytes, ObjectKind.Lease);
        using JsonDocument header = JsonText.Parse(envelope.Header);
        JsonElement root = header.RootElement;
        return new LeaseHolder(root.ReadString("host"), root.ReadLong("process"), root.ReadString("user"),
            root.ReadTime("sinceUtc"), root.ReadId("holder"), root.ReadStringOrNull("nonce"),
            root.ReadStringOrNull("purpose"));
    }

    /// <summary>The same, or null when the claim is gone or cannot be read: then only its age counts.</summary>
    internal static async Task<LeaseHolder?> TryReadAsync(IObjectStore store, string name,
        CancellationToken cancellationToken)
    {
        try
        {
            return await ReadAsync(store, name, cancellationToken).ConfigureAwait(false);
        }
        catch (FormatException)
        {
            return null;
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            return null;
        }
    }

    private static NataliaException Held(string applianceId, LeaseHolder? holder, TimeSpan? left) =>
        new(ErrorIds.LeaseHeld, NataliaErrorKind.ResourceBusy,
        (holder is null ? "Another run holds the lease on this appliance's part of the repository."
            : $"The lease on this appliance's part of the repository is held by {holder.User} on {holder.Host} "
                + $"(process {holder.ProcessId}{(holder.Purpose is null ? "" : ", " + holder.Purpose)}) since "
                + $"{holder.SinceUtc:yyyy-MM-dd HH:mm:ss} UTC.")
        + (left is TimeSpan time
            ? $" If that run is dead, this machine takes the lease over in at most "
                + $"{Math.Ceiling(time.TotalMinutes):0} minutes."
            : ""),
        applianceId, "Wait until the other run has ended, then try again.");

    private NataliaException Lost(string why) =>
        new(ErrorIds.LeaseLost, NataliaErrorKind.ResourceBusy, why + " Nothing was published by this run.", _directory,
            "Run it again.");
}
