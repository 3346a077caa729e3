using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Keys;

/// <summary>A key slot that cannot be used.</summary>
/// <param name="ObjectName">Its object's name.</param>
/// <param name="Reason">A sentence.</param>
internal sealed record UnusableKeySlot(string ObjectName, string Reason);

/// <summary>
/// Looks for the key slot that a password opens. Whoever can write can put slots there that nobody opens: none of them
/// keeps another one from being found, and together they cost a bounded time. Each costs at most what
/// <see cref="KeySlot"/> allows; one is tried after the other, so that the memory is that of one.
/// </summary>
internal sealed class KeySlotSearch(IObjectStore store)
{
    /// <summary>So many slots are read: those that the log knows, and of the others the oldest in the store.</summary>
    private const int ReadAtMost = 256;

    private const int ReadsAtOnce = 16;

    /// <summary>
    /// From so many slots on it is worth asking the log which of them somebody who has a password put there.
    /// </summary>
    private const int LogFrom = 4;

    /// <summary>So much work is done for slots that no record vouches for: half a minute on a slow machine.</summary>
    private const long WorkForStrangers = 48 * KeySlot.DefaultWork;

    private readonly List<UnusableKeySlot> _unusable = [];

    /// <summary>What was found there that cannot be used.</summary>
    internal IReadOnlyList<UnusableKeySlot> Unusable => _unusable;

    /// <summary>The slots that a password was tried on, or could have been.</summary>
    internal int Whole { get; private set; }

    /// <summary>How many slots were left untried, because there are too many.</summary>
    internal int Untried { get; private set; }

    /// <summary>Finds the slot.</summary>
    /// <param name="password">The password; null for the slot of an unencrypted repository.</param>
    /// <param name="settingsHash">The repository that slots must belong to; null for any.</param>
    /// <param name="auditKey">The repository's; null where it is not known.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="cancellationToken">Stops it before the next slot.</param>
    /// <returns>What the slot holds and what it says, or null.</returns>
    internal async Task<(RepositorySecrets Secrets, KeySlotHeader Header)?> FindAsync(RepositoryPassword? password,
        Hash256? settingsHash, byte[]? auditKey, TimeProvider clock, CancellationToken cancellationToken)
    {
        List<StoredObject> there = await store.ListAllAsync(Layout.Keys, cancellationToken).ConfigureAwait(false);
        HashSet<string> vouched = auditKey is not null && there.Count >= LogFrom
            ? await ReadAddedAsync(auditKey, clock, cancellationToken).ConfigureAwait(false)
            : [];
        List<Candidate> slots = await ReadAsync(there, vouched, settingsHash, cancellationToken).ConfigureAwait(false);
        Whole = slots.Count;
        long work = 0;
        // Cheap ones first: a dear one delays them by nothing. Of equal ones the older first: a stranger's came later.
        foreach (Candidate slot in slots.OrderBy(s => vouched.Contains(s.Id) ? 0 : 1).ThenBy(s => s.Work)
            .ThenBy(s => s.Object.LastModifiedUtc).ThenBy(s => s.Id, StringComparer.Ordinal))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (password is not null && !vouched.Contains(slot.Id))
            {
                if (work + slot.Work > WorkForStrangers)
                {
                    Untried++;
                    continue;
                }
                work += slot.Work;
            }
            try
            {
                // Stretching a password is slow on purpose; it must not hold up the caller's thread.
                RepositorySecrets? secrets =
                    await Task.Run(() => KeySlot.TryOpen(slot.Bytes, password, slot.Header.Settings),
                    cancellationToken).ConfigureAwait(false);
                if (secrets is null) continue;
                if (auditKey is null || Signing.PublicKey(secrets.SigningSeed).AsSpan().SequenceEqual(auditKey))
                    return (secrets, slot.Header);
                secrets.Dispose();
                throw new FormatException(
                    "The audit key of the repository does not belong to the secrets in the key slot.");
            }
            catch (FormatException damage)
            {
                Whole--;
                _unusable.Add(new UnusableKeySlot(slot.Object.Name, damage.Message));
            }
        }
        return null;
    }

    /// <summary>What to add to the error when none was found.</summary>
    internal string Describe()
    {
        string text = Untried == 0
            ? ""
            : $" There are {Untried} more key slots than are tried in one go, and none of them is known to the audit "
                + $"log: move those that nobody knows out of '{Layout.Keys}'.";
        return _unusable.Count == 0
            ? text
            : text + $" {_unusable.Count} key slots cannot be used, among them '{_unusable[0].ObjectName}': "
                + $"{_unusable[0].Reason}";
    }

    private sealed record Candidate(StoredObject Object, byte[] Bytes, KeySlotHeader Header)
    {
        internal string Id => Layout.FileName(Object.Name);

        internal long Work => Header.Scrypt?.Work ?? 0;
    }

    private async Task<List<Candidate>> ReadAsync(List<StoredObject> all, HashSet<string> vouched,
        Hash256? settingsHash, CancellationToken cancellationToken)
    {
        StoredObject[] tried = [.. all.OrderBy(o => vouched.Contains(Layout.FileName(o.Name)) ? 0 : 1)
            .ThenBy(o => o.LastModifiedUtc).ThenBy(o => o.Name, StringComparer.Ordinal).Take(ReadAtMost)];
        Candidate?[] read = await InParallel.SelectAsync(tried, ReadsAtOnce,
            item => ReadAsync(item, settingsHash, cancellationToken), cancellationToken).ConfigureAwait(false);
        Untried = Math.Max(0, all.Count - ReadAtMost);
        return [.. read.Where(c => c is not null).Select(c => c!)];
    }

    private async Task<Candidate?> ReadAsync(StoredObject item, Hash256? settingsHash,
        CancellationToken cancellationToken)
    {
        string reason;
        try
        {
            byte[] bytes = await store.ReadAllAsync(item.Name, cancellationToken).ConfigureAwait(false);
            KeySlotHeader header = KeySlot.Describe(bytes, settingsHash);
            if (header.Id.ToString() == Layout.FileName(item.Name)) return new Candidate(item, bytes, header);
            reason = "The key slot is not the one that its name says.";
        }
        catch (FormatException damage)
        {
            reason = damage.Message;
        }
        catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
        {
            // Removed since it was listed.
            return null;
        }
        catch (NataliaException failure) when (ObjectStoreReading.IsOfOneObject(failure))
        {
            reason = failure.Message;
        }
        lock (_unusable) _unusable.Add(new UnusableKeySlot(item.Name, reason));
        return null;
    }

    /// <summary>The slots of which a record that bears the repository's signature says that they were added.</summary>
    private async Task<HashSet<string>> ReadAddedAsync(byte[] auditKey, TimeProvider clock,
        CancellationToken cancellationToken)
    {
        var log = new AuditLog(store, null, auditKey, clock);
        List<AuditName> names =
            (await log.ListAsync(cancellationToken).ConfigureAwait(false)).FindAll(
                n => n.Event == AuditEvents.KeyAdded);
        return [.. (await log.ReadAllAsync(names, cancellationToken).ConfigureAwait(false))
            .Select(r => KeyRing.KeyOf(r))
            .Where(k => k is not null).Select(k => k!)];
    }
}
