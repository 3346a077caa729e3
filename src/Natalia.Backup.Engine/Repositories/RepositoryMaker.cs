using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>
/// Makes a repository in an empty place, so that nobody ever opens half of one, and of two who make one in the same
/// place one wins.
/// </summary>
internal sealed class RepositoryMaker(IObjectStore store, RepositoryPassword? password, RepositoryOptions options)
{
    /// <summary>Where create is not exclusive: how long to wait before looking who was first.</summary>
    private static readonly TimeSpan s_settle = TimeSpan.FromSeconds(2);

    /// <summary>How long leftovers are still deleted after the caller gave up.</summary>
    private static readonly TimeSpan s_endWithin = TimeSpan.FromSeconds(30);

    private readonly RepositorySecrets _secrets = RepositorySecrets.NewRandom();

    /// <exception cref="NataliaException">
    /// <c>RepositoryExists</c>, <c>NotARepository</c>, <c>ObjectLockNotSupported</c>,
    /// <c>ImmutabilityWithoutRetention</c>, <c>ObjectLocked</c>, a store error.
    /// </exception>
    internal async Task<Repository> ExecuteAsync(CancellationToken cancellationToken)
    {
        ImmutabilityPolicy? immutability = CheckImmutability();
        IObjectStore target = immutability is null ? store : new LockingStore(store, immutability, options.Clock);
        if (await target.StatAsync(Layout.Settings, cancellationToken).ConfigureAwait(false) is not null)
            throw Exists();
        List<string> leftovers = await FindLeftoversAsync(target, cancellationToken).ConfigureAwait(false);
        var settings = new RepositorySettings(
            Id128.NewRandom(), options.Clock.UtcNow(), password is null ? Cipher.None : Cipher.Aes256Gcm,
            Signing.PublicKey(_secrets.SigningSeed));
        byte[] bytes = settings.Encode();
        byte[] slot = KeySlot.Seal(_secrets, password, null, Hash256.Of(bytes), options.Clock.UtcNow(),
            options.PasswordCost, out Id128 slotId);
        var core = new RepositoryCore(target, settings, _secrets, options, immutability);
        // The settings last: until they are there, the place is not a repository, and nobody opens it. The log before
        // them: whoever finds a repository finds the record of its making.
        await target.PutAsync(Layout.Keys + slotId, new ObjectContent(slot), PutOptions.Metadata,
            cancellationToken).ConfigureAwait(false);
        foreach (AuditEntry entry in FirstEntries(settings, immutability))
            await core.RepositoryLog.AppendAsync(entry, _secrets.SigningSeed, cancellationToken).ConfigureAwait(false);
        await target.FlushAsync(cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        // From the settings on there is a repository, and no later making deletes what is left beside it.
        using var bounded = new CancellationTokenSource();
        using CancellationTokenRegistration stop =
            cancellationToken.Register(() => bounded.CancelAfter(s_endWithin));
        CancellationToken ending = leftovers.Count == 0 ? cancellationToken : bounded.Token;
        if (!await TryPutSettingsAsync(target, bytes, ending).ConfigureAwait(false)
            || !await EndAsync(target, bytes, slotId, leftovers, ending).ConfigureAwait(false))
        {
            await TakeBackAsync(core, slotId, cancellationToken).ConfigureAwait(false);
            throw Exists();
        }
        cancellationToken.ThrowIfCancellationRequested();
        return new Repository(core, Hash256.Of(bytes), slotId.ToString()) { StorageClass = options.StorageClass };
    }

    /// <summary>False when there are others.</summary>
    private static async Task<bool> TryPutSettingsAsync(IObjectStore target, byte[] settings,
        CancellationToken cancellationToken)
    {
        try
        {
            await target.PutAsync(Layout.Settings, new ObjectContent(settings), new PutOptions { MustNotExist = true },
                cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (NataliaException lost) when (lost.ErrorId == ErrorIds.ObjectExists)
        {
            return false;
        }
    }

    /// <summary>
    /// Finds out whether the settings that were put count, and deletes the leftovers if they do. Says whether.
    /// </summary>
    private async Task<bool> EndAsync(IObjectStore target, byte[] settings, Id128 slotId, List<string> leftovers,
        CancellationToken cancellationToken)
    {
        var left = new List<string>(leftovers);
        bool isMade = target.HasExclusiveCreate;
        try
        {
            if (!isMade)
            {
                await options.Clock.WaitAsync(s_settle, cancellationToken).ConfigureAwait(false);
                byte[] there = await target.ReadAllAsync(Layout.Settings, cancellationToken).ConfigureAwait(false);
                if (!there.AsSpan().SequenceEqual(settings)) return false;
                isMade = true;
            }
            await target.FlushAsync(cancellationToken).ConfigureAwait(false);
            if (await target.StatAsync(Layout.Keys + slotId, cancellationToken).ConfigureAwait(false) is null)
            {
                // On a plain bucket of a server without conditions, another one may have won before and taken this key
                // for a leftover. Without a key it would be a repository that nobody opens.
                await target.DeleteAsync(Layout.Settings, cancellationToken).ConfigureAwait(false);
                return false;
            }
            // Only now: another one who makes a repository here may have begun with them. Who does not win deletes
            // nothing of others, so that no deletion that arrives late takes away what the winner needs.
            NataliaException? locked = null;
            foreach (string leftover in leftovers)
            {
                try
                {
                    await target.DeleteAsync(leftover, cancellationToken).ConfigureAwait(false);
                    left.Remove(leftover);
                }
                catch (NataliaException e) when (e.ErrorId == ErrorIds.ObjectLocked)
                {
                    locked ??= e;
                }
            }
            if (leftovers.Count > 0) await target.FlushAsync(cancellationToken).ConfigureAwait(false);
            if (locked is not null) throw locked;
            return true;
        }
        catch (Exception failure) when (left.Count > 0 && failure is NataliaException or OperationCanceledException)
        {
            throw StillThere(isMade, left, failure);
        }
    }

    private NataliaException StillThere(bool isMade, List<string> left, Exception failure)
    {
        var error = failure as NataliaException;
        return new NataliaException(error?.ErrorId ?? ErrorIds.StoreWriteFailed,
            error?.Kind ?? NataliaErrorKind.Timeout,
            $"{(isMade ? "The" : "It seems that the")} repository at {store.Location} was made, but what a making that "
            + $"was broken off had left there could not be removed: '{string.Join("', '", left)}'. "
            + (error?.Message ?? "It was cancelled."),
            store.Location,
            "Delete these objects by hand, or the checks of the repository report them; it is opened with "
            + "Connect-NataliaRepository.", failure);
    }

    private ImmutabilityPolicy? CheckImmutability()
    {
        if (options.Immutability?.Validate() is not ImmutabilityPolicy immutability) return null;
        if (store.ObjectLock is null)
        {
            throw new NataliaException(ErrorIds.ObjectLockNotSupported, NataliaErrorKind.NotSupported,
                $"{store.Location} cannot lock objects, so that points in it cannot be immutable.", store.Location,
                "Take a bucket that was made with object lock.");
        }
        if (immutability.WhileKept && options.Retention is null or { KeepsEverything: true })
        {
            throw new NataliaException(ErrorIds.ImmutabilityWithoutRetention, NataliaErrorKind.InvalidArgument,
                "Points that stay locked as long as they are kept need a retention policy that says for how long: "
                + "without one, everything would stay locked for ever.",
                store.Location,
                "Give a retention policy with at least one rule.");
        }
        return immutability;
    }

    /// <summary>
    /// Makes sure that nothing of anybody is there, and finds what a making left that died before there was a
    /// repository: keys and records without settings and without any appliance.
    /// </summary>
    private async Task<List<string>> FindLeftoversAsync(IObjectStore target, CancellationToken cancellationToken)
    {
        var leftovers = new List<string>();
        await foreach (StoredObject first in target.ListAsync("", cancellationToken).ConfigureAwait(false))
        {
            if (first.Name.StartsWith(Layout.Probes, StringComparison.Ordinal)) continue;
            if (!first.Name.StartsWith(Layout.Keys, StringComparison.Ordinal)
                && !first.Name.StartsWith(Layout.RepositoryLog, StringComparison.Ordinal))
            {
                throw new NataliaException(ErrorIds.NotARepository, NataliaErrorKind.AlreadyExists,
                    $"{target.Location} is not empty: it holds '{first.Name}'.", target.Location,
                    "Name an empty place, or one that does not exist yet.");
            }
            leftovers.Add(first.Name);
        }
        foreach (string leftover in leftovers)
        {
            if (await FindLockAsync(target, leftover, cancellationToken).ConfigureAwait(false) is not DateTime until
                || until <= options.Clock.UtcNow())
                continue;
            throw new NataliaException(ErrorIds.ObjectLocked, NataliaErrorKind.PermissionDenied,
                $"The making of a repository at {target.Location} was broken off, and what it left is locked: "
                + $"'{leftover}' until {until:yyyy-MM-dd HH:mm:ss} UTC.",
                target.Location,
                "Make the repository under another prefix, or here when the lock has ended.");
        }
        return leftovers;
    }

    private static async Task<DateTime?> FindLockAsync(IObjectStore target, string name,
        CancellationToken cancellationToken)
    {
        try
        {
            if (target.ObjectLock is IObjectLock locks)
                return await locks.GetRetainUntilAsync(name, cancellationToken).ConfigureAwait(false);
            // Also a repository without immutability may find what one with it left, or what the bucket locks itself.
            return target.Find<ILockReader>() is ILockReader reader
                ? await reader.GetRetainUntilAsync(name, cancellationToken).ConfigureAwait(false) : null;
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            // Another one who makes a repository here takes back what it had begun with.
            return null;
        }
    }

    private static async Task RemoveAsync(IObjectStore target, List<string> names,
        CancellationToken cancellationToken)
    {
        foreach (string name in names)
        {
            try
            {
                await target.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
            {
                // It opens nothing and has no effect; the winner's checks report it until its lock has ended and
                // somebody deletes it.
            }
        }
        if (names.Count > 0) await target.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private IEnumerable<AuditEntry> FirstEntries(RepositorySettings settings, ImmutabilityPolicy? immutability)
    {
        yield return new AuditEntry(AuditEvents.RepositoryCreated)
        {
            WriteData = json =>
            {
                json.WriteString("repository", settings.Id.ToString());
                json.WriteString("cipher", settings.Cipher == Cipher.None ? "none" : "aes-256-gcm");
            },
        };
        if (immutability is not null) yield return ImmutabilityPolicy.Entry(immutability);
        if (options.StorageClass is not null) yield return StoreRecord.Entry(options.StorageClass);
        if (options.Retention is RetentionPolicy retention) yield return PolicyBook.Entry(null, null, retention);
    }

    /// <summary>
    /// Another one made a repository here at the same moment and was first: takes back what this one had begun with.
    /// </summary>
    private static async Task TakeBackAsync(RepositoryCore core, Id128 slotId, CancellationToken cancellationToken)
    {
        var mine = new List<string> { Layout.Keys + slotId };
        foreach (AuditName name in await core.RepositoryLog.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                await core.RepositoryLog.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                mine.Add(name.ObjectName);
            }
            catch (FormatException)
            {
                // The winner's: it is not signed by this one's key.
            }
        }
        await RemoveAsync(core.Store, mine, cancellationToken).ConfigureAwait(false);
    }

    private NataliaException Exists() => new(ErrorIds.RepositoryExists, NataliaErrorKind.AlreadyExists,
        $"There is a repository at {store.Location} already.", store.Location,
        "Open it with Connect-NataliaRepository.");
}
