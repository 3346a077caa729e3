using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Keys;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>Opens a repository: what it is, with which password, how it locks and where its packs lie.</summary>
internal static class RepositoryOpener
{
    internal static async Task<Repository> ExecuteAsync(IObjectStore store, RepositoryPassword? password,
        RepositoryOptions options, CancellationToken cancellationToken)
    {
        byte[] bytes = await RepositorySettings.ReadBytesAsync(store, cancellationToken).ConfigureAwait(false);
        RepositorySettings settings = RepositorySettings.Decode(bytes, store.Location);
        if (settings.Cipher == Cipher.None && password is not null)
            throw new NataliaException(ErrorIds.PasswordNotExpected, NataliaErrorKind.InvalidArgument,
                $"The repository {store.Location} is not encrypted, but a password was given.", store.Location,
                "If you know it to be encrypted, somebody replaced it: do not write to it. Else use -Unencrypted.");
        var search = new KeySlotSearch(store);
        Task<(RepositorySecrets? Secrets, string? Slot)> opening =
            settings.Cipher == Cipher.None || password is not null
                ? OpenSlotAsync(store, search, password, Hash256.Of(bytes), settings.AuditKey, options.Clock,
                    cancellationToken)
                : Task.FromResult<(RepositorySecrets?, string?)>((null, null));
        // The log is read while the password is stretched, which takes a quarter of a second. When both fail, it is
        // the password's failure that is told: it comes first.
        Task<(ImmutabilityPolicy? Immutability, string? StorageClass)> reading = ReadLogAsync(store,
            new AuditLog(store, null, settings.AuditKey, options.Clock), cancellationToken);
        return await JoinAsync(opening, reading, (secrets, slot, immutability, storageClass) =>
        {
            if (options.Settle is not null) store = options.Settle(immutability?.Mode, storageClass);
            if (immutability is not null && store.ObjectLock is not null)
                store = new LockingStore(store, immutability, options.Clock);
            return new Repository(new RepositoryCore(store, settings, secrets, options, immutability),
                Hash256.Of(bytes), slot)
            {
                StorageClass = storageClass,
                UnusableKeySlots = [.. search.Unusable.Select(u => $"'{u.ObjectName}': {u.Reason}")],
                UntriedKeySlots = search.Untried,
            };
        }).ConfigureAwait(false);
    }

    /// <summary>Makes the repository of what both found; where that fails, the secrets are wiped.</summary>
    internal static async Task<Repository> JoinAsync(Task<(RepositorySecrets? Secrets, string? Slot)> opening,
        Task<(ImmutabilityPolicy? Immutability, string? StorageClass)> reading,
        Func<RepositorySecrets?, string?, ImmutabilityPolicy?, string?, Repository> make)
    {
        try
        {
            await Task.WhenAll(opening, reading).ConfigureAwait(false);
            (RepositorySecrets? secrets, string? slot) = await opening.ConfigureAwait(false);
            (ImmutabilityPolicy? immutability, string? storageClass) = await reading.ConfigureAwait(false);
            return make(secrets, slot, immutability, storageClass);
        }
        catch
        {
            if (opening.Status == TaskStatus.RanToCompletion) opening.Result.Secrets?.Dispose();
            throw;
        }
    }

    /// <summary>How the repository locks and where its packs lie.</summary>
    private static async Task<(ImmutabilityPolicy? Immutability, string? StorageClass)> ReadLogAsync(
        IObjectStore store, AuditLog log, CancellationToken cancellationToken)
    {
        List<AuditName> names = await log.ListAsync(cancellationToken).ConfigureAwait(false);
        ImmutabilityPolicy? immutability = await ReadImmutabilityAsync(store, log, names,
            cancellationToken).ConfigureAwait(false);
        return (immutability, await StoreRecord.ReadAsync(store, log, names, cancellationToken).ConfigureAwait(false));
    }

    /// <summary>
    /// The policy that the repository was made with. One that cannot be read stops the opening: writing without locks
    /// what should be locked would be a lie.
    /// </summary>
    private static async Task<ImmutabilityPolicy?> ReadImmutabilityAsync(IObjectStore store, AuditLog log,
        List<AuditName> all, CancellationToken cancellationToken)
    {
        NataliaException? trouble = null;
        foreach (AuditName name in Enumerable.Reverse(all.FindAll(n => n.Event == ImmutabilityPolicy.Event)))
        {
            try
            {
                return ImmutabilityPolicy.Read(await log.ReadAsync(name, cancellationToken).ConfigureAwait(false));
            }
            catch (FormatException damage)
            {
                trouble ??= new NataliaException(ErrorIds.RepositoryDamaged, NataliaErrorKind.InvalidData,
                    $"The immutability policy of the repository {store.Location} cannot be read: {damage.Message}",
                    store.Location, $"Put back the object '{name.ObjectName}'.", damage);
                // It was written when the repository was made, by one writer: where a genuine record has that number,
                // this is none.
                List<AuditName> others = all.FindAll(n => n.Number == name.Number && n != name);
                if ((await log.ReadAllAsync(others, cancellationToken).ConfigureAwait(false)).Any(r => r is not null))
                    trouble = null;
            }
        }
        if (trouble is not null) throw trouble;
        return null;
    }

    private static async Task<(RepositorySecrets? Secrets, string? Slot)> OpenSlotAsync(
        IObjectStore store, KeySlotSearch search, RepositoryPassword? password, Hash256 settingsHash, byte[] auditKey,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        if (await search.FindAsync(password, settingsHash, auditKey, clock,
            cancellationToken).ConfigureAwait(false) is var (secrets, header))
            return (secrets, header.Id.ToString());
        if (search.Whole > 0 && password is not null)
            throw new NataliaException(ErrorIds.WrongPassword, NataliaErrorKind.Authentication,
                $"The password is not that of the repository {store.Location}.{search.Describe()}", store.Location,
                "Check Caps Lock and the keyboard's layout, and that it is the password of this repository and not of "
                + "another one. A repository may have several passwords; any of them opens it.");
        string damage = search.Unusable.Count == 0
            ? ": there is none."
            : $"; '{search.Unusable[0].ObjectName}': {search.Unusable[0].Reason}";
        throw new NataliaException(ErrorIds.RepositoryDamaged, NataliaErrorKind.InvalidData,
            $"No key slot of the repository {store.Location} can be read{damage}", store.Location,
            $"Put back a copy of a file under '{Layout.Keys}'. Without one, nothing in the repository can be read.");
    }
}
