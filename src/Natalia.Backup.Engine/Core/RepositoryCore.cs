using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Core;

/// <summary>What every operation on an open repository needs. Immutable; thread-safe.</summary>
internal sealed class RepositoryCore(IObjectStore store, RepositorySettings settings, RepositorySecrets? secrets,
    RepositoryOptions options, ImmutabilityPolicy? immutability = null, ObjectKeys? keys = null)
    : IDisposable
{
    private readonly ObjectKeys? _keys = keys
        ?? (secrets is null
            ? null
            : settings.Cipher == Cipher.None ? ObjectKeys.None : ObjectKeys.FromSecret(secrets.Master));

    internal IObjectStore Store => store;
    internal RepositorySettings Settings => settings;
    internal RepositoryOptions Options => options;
    internal TimeProvider Clock => options.Clock;

    /// <summary>For how long what is stored is locked; null for not at all.</summary>
    internal ImmutabilityPolicy? Immutability => immutability;

    /// <summary>
    /// The same repository through a wrapper of its store. Not to be disposed: everything belongs to this one.
    /// </summary>
    internal RepositoryCore Through(IObjectStore wrapper) =>
        new(wrapper, settings, secrets, options, immutability, _keys) { PassesOverUnreadable = PassesOverUnreadable };

    /// <summary>
    /// The same for a repair: a record, delta or list that the store does not give is like a damaged one, so that one
    /// bad sector does not keep all else from being repaired. Whoever gives up or deletes anything then asks what could
    /// not be read. Nobody else may go on without what it may say. Not to be disposed either.
    /// </summary>
    internal RepositoryCore ThroughForRepair(IObjectStore wrapper) =>
        new(wrapper, settings, secrets, options, immutability, _keys) { PassesOverUnreadable = true };

    /// <summary>Whether a failure to read something small is to be treated like damage.</summary>
    internal bool PassesOver(NataliaException failure) =>
        PassesOverUnreadable && failure.ErrorId == ErrorIds.StoreReadFailed;

    private bool PassesOverUnreadable { get; init; }

    internal string RepositoryId { get; } = settings.Id.ToString();
    internal bool IsUnlocked => _keys is not null;
    internal bool IsEncrypted => settings.Cipher != Cipher.None;

    /// <summary>The keys of objects.</summary>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>.</exception>
    internal ObjectKeys Keys => _keys ?? throw PasswordRequired();

    /// <summary>The key that signs audit records.</summary>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>.</exception>
    internal byte[] SigningSeed => secrets?.SigningSeed ?? throw PasswordRequired();

    /// <summary>What key slots seal.</summary>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>.</exception>
    internal RepositorySecrets Secrets => secrets ?? throw PasswordRequired();

    private readonly KnownRecords _records = new();

    internal AuditLog RepositoryLog => new(store, null, settings.AuditKey, options.Clock, _records);

    internal AuditLog ApplianceLog(string applianceId) =>
        new(store, applianceId, settings.AuditKey, options.Clock, _records, PassesOverUnreadable ? PassesOver : null);

    internal PackReader PackReader(string applianceId, int rememberedSegments = int.MaxValue) =>
        new(store, applianceId, Keys, rememberedSegments) { NewZstd = options.NewZstd };

    /// <summary>
    /// How many leaves are read of points at once. Away from this machine more than it has processors: the time is that
    /// of answers, and waiting for them takes none of theirs. Each takes some 10 MiB: 8 of what is stored, and what
    /// opens it. What they read for a restore takes 8 more of each, and of those that are written meanwhile.
    /// </summary>
    internal int LeavesAtOnce => Math.Max(Math.Max(1, options.Workers), store.Kind == "Folder" ? 1 : 8);

    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>StoreClockSkewed</c>, a store error.</exception>
    internal async Task<Lease> AcquireLeaseAsync(string applianceId, string? purpose,
        CancellationToken cancellationToken)
    {
        Lease lease = await Lease.AcquireAsync(store, RepositoryId, applianceId, options.LockDirectory, options.Clock,
            purpose, cancellationToken).ConfigureAwait(false);
        if (lease.ClockAhead.Duration() <= options.ClockLimit) return lease;
        await lease.DisposeAsync().ConfigureAwait(false);
        DateTime now = options.Clock.UtcNow();
        throw new NataliaException(ErrorIds.StoreClockSkewed, NataliaErrorKind.InvalidOperation,
            $"By the clock of this machine it is {now:yyyy-MM-dd HH:mm} UTC, by that of {store.Location} "
            + $"{now - lease.ClockAhead:yyyy-MM-dd HH:mm} UTC. One of them is wrong by more than a day. Nothing was "
            + "written: its times would be wrong, and so would retention and locks.",
            store.Location, "Set the clock that is wrong (in UTC), and let it be kept by NTP.");
    }

    internal Task<Lease> AcquireLeaseAsync(string applianceId, CancellationToken cancellationToken) =>
        AcquireLeaseAsync(applianceId, null, cancellationToken);

    /// <summary>The ids of all appliances that have anything here.</summary>
    internal Task<IReadOnlyList<string>> ListAppliancesAsync(CancellationToken cancellationToken) =>
        ListAppliancesAsync(store, cancellationToken);

    /// <summary>
    /// So many names come with one request; from there on it is cheaper to ask for what lies behind the appliance.
    /// </summary>
    private const int NamesInAPage = 1000;

    /// <summary>
    /// The ids of all appliances that have anything in a store. Costs a request or two for each, however many objects
    /// it has; in a folder a look into the first of its folders that holds anything.
    /// </summary>
    internal static async Task<IReadOnlyList<string>> ListAppliancesAsync(IObjectStore store,
        CancellationToken cancellationToken)
    {
        // In a folder names do not come by the page: each costs, and those of a log of years are many.
        int enough = store.Kind == "Folder" ? 1 : NamesInAPage;
        var ids = new List<string>();
        string? after = null;
        do
        {
            string? from = after, last = null;
            after = null;
            int seen = 0;
            await foreach (StoredObject found in store.ListAsync(Layout.Appliances, from,
                cancellationToken).ConfigureAwait(false))
            {
                string id = found.Name.Substring(Layout.Appliances.Length).Split('/')[0];
                if (id != last)
                {
                    (last, seen) = (id, 0);
                    if (ApplianceIdentity.IsValid(id)) ids.Add(id);
                }
                if (++seen < enough) continue;
                // The first character behind the slash: everything of this appliance comes before it, and nothing of
                // another one does.
                after = Layout.Appliances + id + '0';
                break;
            }
        }
        while (after is not null);
        return ids;
    }

    private NataliaException PasswordRequired() => new(ErrorIds.PasswordRequired, NataliaErrorKind.Authentication,
        $"The repository '{options.Label}' was opened without its password, which this needs.", options.Label,
        "Connect it with Connect-NataliaRepository -Password.");

    public void Dispose()
    {
        if (_keys != ObjectKeys.None) _keys?.Dispose();
        secrets?.Dispose();
        store.Dispose();
    }
}
