using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Reclaim;
using Natalia.Backup.Engine.Repair;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Engine.Verification;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>
    /// Checks the repository as a whole. Needs no password. Damage is a Failed result, not an exception.
    /// </summary>
    /// <param name="full">Read every byte of every object; else only the structure: what should be there is there, in
    /// its right length.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    public IAsyncEnumerable<CheckResult> CheckAsync(bool full, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken) =>
        new RepositoryCheck(_core, full, progress).ExecuteAsync(cancellationToken);

    /// <summary>
    /// Proves the destination by trying: writes, reads, clocks, room, and whether what is locked can truly not be
    /// deleted. Needs no password.
    /// </summary>
    /// <param name="hypervisorHosts">Names and addresses of the hypervisors' hosts: a destination on one of them is
    /// lost with it.</param>
    /// <param name="cancellationToken">Stops it; what was made is still removed.</param>
    public IAsyncEnumerable<CheckResult> ProbeAsync(IReadOnlyCollection<string> hypervisorHosts,
        CancellationToken cancellationToken) =>
        StoreProbe.RunAsync(_core.Store, new StoreProbeOptions
        {
            Clock = _core.Clock,
            HypervisorHosts = hypervisorHosts,
            RepositoryId = RepositoryId,
        }, cancellationToken);

    /// <summary>How points are locked; null when they are not.</summary>
    public ImmutabilityPolicy? Immutability => _core.Immutability;

    /// <summary>
    /// Whether the store holds locks. That of an immutable repository may hold none, when it is a mirror of the one
    /// that the repository was made in.
    /// </summary>
    public bool HoldsLocks => _core.Store.ObjectLock is not null;

    /// <summary>
    /// In a repository whose points are locked as long as they are kept: makes sure that everything which the kept
    /// points of an appliance need stays locked for <see cref="ImmutabilityPolicy.Days"/> from now. Mostly three
    /// requests find that nothing is due; about once in a third of the days, two for each object that a kept point
    /// needs. May run beside a backup and beside itself.
    /// </summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="look">Look at every point, also where the log says that nothing is due.</param>
    /// <param name="cancellationToken">Stops it; locks that were extended stay so.</param>
    /// <returns>What was done; null in a repository of another kind. Points that could not be extended are told in
    /// <see cref="LockRenewal.Failures"/>, and the others are extended all the same.</returns>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ObjectLockNotSupported</c>, a store
    /// error.</exception>
    public async Task<LockRenewal?> RenewLocksAsync(string applianceId, bool look, CancellationToken cancellationToken)
    {
        if (_core.Immutability is not { WhileKept: true } policy) return null;
        _ = _core.SigningSeed;
        EnsureCanLock();
        return await _locks.RenewAsync(applianceId, look, policy, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// In an immutable repository: whether the points that the policies keep are locked now, and for long enough. One
    /// result for each appliance with points; none in other repositories.
    /// </summary>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public IAsyncEnumerable<CheckResult> CheckLocksAsync(CancellationToken cancellationToken) =>
        _locks.CheckAsync(cancellationToken);

    /// <summary>
    /// How long a removed point stays readable for those who began to read it: three days, for readers that cannot
    /// leave a note.
    /// </summary>
    public static TimeSpan DefaultGrace => PackSweep.DefaultGrace;

    /// <summary>
    /// Gives back the space that removed points took in one appliance's part. Safe beside a running backup and beside
    /// itself; may be stopped at any time and run again.
    /// </summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="grace">How long ago a point must have been removed, 0 or more; <see cref="DefaultGrace"/> unless no
    /// reader can be at work.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public Task<ReclaimResult> ReclaimAsync(string applianceId, TimeSpan grace, CancellationToken cancellationToken) =>
        ReclaimAsync(applianceId, grace, null, cancellationToken);

    /// <inheritdoc cref="ReclaimAsync(string, TimeSpan, CancellationToken)"/>
    /// <param name="progress">Told how many packs were looked at; or null.</param>
    public async Task<ReclaimResult> ReclaimAsync(string applianceId, TimeSpan grace,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        ReclaimResult result = await new ReclaimRun(_core, _manifests, applianceId, grace,
            progress).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        return result with { Repository = Label };
    }

    /// <summary>
    /// Tells what <see cref="ReclaimAsync(string, TimeSpan, CancellationToken)"/> would do, by doing it on a store that
    /// only takes notes. Packs that would be rewritten are not read: that one of them is damaged, and stays, shows
    /// only when it is done.
    /// </summary>
    /// <param name="applianceId">The appliance.</param>
    /// <param name="grace">As for <see cref="ReclaimAsync(string, TimeSpan, CancellationToken)"/>.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public Task<ReclaimResult> PlanReclaimAsync(string applianceId, TimeSpan grace,
        CancellationToken cancellationToken) =>
        PlanReclaimAsync(applianceId, grace, null, cancellationToken);

    /// <inheritdoc cref="PlanReclaimAsync(string, TimeSpan, CancellationToken)"/>
    /// <param name="progress">Told how many packs were looked at; or null.</param>
    public async Task<ReclaimResult> PlanReclaimAsync(string applianceId, TimeSpan grace,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        RepositoryCore core = _core.Through(new RehearsalStore(_core.Store, _core.Clock));
        ReclaimResult result = await new ReclaimRun(core, new ManifestReader(core), applianceId, grace,
            progress).ExecuteAsync(cancellationToken).ConfigureAwait(false);
        return result with { Repository = Label, IsWhatIf = true };
    }

    /// <summary>
    /// Finds out which points are whole and which are lost, notes it, makes again what can be derived, and gives back
    /// what nobody needs. Never deletes what a whole point needs. Waits for no backup: an appliance that is being
    /// backed up is a failure of its own. May be stopped at any time and run again.
    /// </summary>
    /// <param name="options">How.</param>
    /// <param name="onFailure">Told of each appliance that could not be repaired, with the reason; the others
    /// are.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public async Task<RepairReport> RepairAsync(RepairOptions options, Action<string, NataliaException> onFailure,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        List<KnownAppliance> appliances = [.. await new ApplianceBook(_core.ThroughForRepair(_core.Store))
            .GetAppliancesAsync(cancellationToken).ConfigureAwait(false)];
        if (options.ApplianceIds is not null) appliances.RemoveAll(a => !options.ApplianceIds.Contains(a.ApplianceId));
        return await new RepositoryRepair(_core, _keys, options, onFailure, progress).ExecuteAsync(appliances,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes a missing or damaged <c>natalia.json</c> again, bit for bit, from a key slot and the first audit record.
    /// Takes seconds of computing. Does nothing when the file is whole.
    /// </summary>
    /// <param name="store">Where the repository is; stays the caller's.</param>
    /// <param name="password">Any of its passwords; null for an unencrypted one.</param>
    /// <param name="clock">For the audit record.</param>
    /// <returns>How it was: when not whole, it was made again.</returns>
    /// <exception cref="NataliaException"><c>WrongPassword</c>, <c>RepositoryDamaged</c> when it cannot be made again,
    /// <c>RepositoryFormatTooNew</c>, <c>ObjectLocked</c>, a store error.</exception>
    public static Task<SettingsState> RebuildSettingsAsync(IObjectStore store, RepositoryPassword? password,
        TimeProvider clock, CancellationToken cancellationToken) =>
        SettingsRebuild.ExecuteAsync(store, password, clock, cancellationToken);

    /// <summary>Tells whether <c>natalia.json</c> would be made again. Changes nothing and needs no password.</summary>
    /// <param name="store">Where the repository is; stays the caller's.</param>
    /// <exception cref="NataliaException"><c>RepositoryFormatTooNew</c>, a store error.</exception>
    public static Task<SettingsState> InspectSettingsAsync(IObjectStore store, CancellationToken cancellationToken) =>
        SettingsRebuild.InspectAsync(store, cancellationToken);

    /// <summary>The key slots, the oldest first; damaged ones are among them. Needs no password.</summary>
    /// <exception cref="NataliaException"><c>RepositoryNotEncrypted</c>.</exception>
    public Task<IReadOnlyList<RepositoryKey>> GetKeysAsync(CancellationToken cancellationToken) =>
        _keys.ListAsync(cancellationToken);

    /// <summary>
    /// Adds a password. Nothing else is written anew: every password seals the same master key. The new slot is read
    /// back and opened before this returns.
    /// </summary>
    /// <param name="password">The new password; stays the caller's.</param>
    /// <param name="name">What to call it, in the clear; or null.</param>
    /// <param name="cancellationToken">Stops it; then nothing was added.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>KeyNameInUse</c>, <c>RepositoryNotEncrypted</c>,
    /// <c>ObjectDamaged</c> when the store does not give back what was put.</exception>
    public Task<RepositoryKey> AddKeyAsync(RepositoryPassword password, string? name,
        CancellationToken cancellationToken) =>
        _keys.AddAsync(password, name, cancellationToken);

    /// <summary>
    /// Removes a password; a damaged slot, too. A copy of the slot that somebody kept still opens with it.
    /// </summary>
    /// <param name="keyId">The slot's id.</param>
    /// <exception cref="NataliaException">
    /// <c>PasswordRequired</c>, <c>KeySlotNotFound</c>, <c>LastKeySlot</c> when no other whole slot is there,
    /// <c>KeySlotNotProven</c> when this session has opened none of those that would stay, <c>ObjectLocked</c> in an
    /// immutable repository, <c>RepositoryNotEncrypted</c>.
    /// </exception>
    public Task RemoveKeyAsync(string keyId, CancellationToken cancellationToken) =>
        _keys.RemoveAsync(keyId, cancellationToken);
}
