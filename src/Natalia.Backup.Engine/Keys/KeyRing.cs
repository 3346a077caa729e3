using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Keys;

/// <summary>
/// The key slots of an open repository: lists, adds and removes them. docs/format.md §5. Thread-safe.
/// </summary>
/// <param name="core">The repository.</param>
/// <param name="settingsHash">The SHA-256 of <c>natalia.json</c> as it was opened: every slot names it.</param>
internal sealed class KeyRing(RepositoryCore core, Hash256 settingsHash)
{
    private readonly HashSet<string> _proven = new(StringComparer.Ordinal);

    /// <summary>
    /// This session has opened the slot, so somebody has its password. A checksum alone does not tell: whoever can
    /// write can put there a slot that nobody can open.
    /// </summary>
    internal void Prove(string keyId)
    {
        lock (_proven) _proven.Add(keyId);
    }

    internal async Task<IReadOnlyList<RepositoryKey>> ListAsync(CancellationToken cancellationToken)
    {
        RequireEncrypted();
        var keys = new List<RepositoryKey>();
        foreach (StoredObject slot in await core.Store.ListAllAsync(Layout.Keys,
            cancellationToken).ConfigureAwait(false))
        {
            try
            {
                keys.Add(Describe(slot.Name,
                    await core.Store.ReadAllAsync(slot.Name, cancellationToken).ConfigureAwait(false)));
            }
            catch (FormatException damage)
            {
                keys.Add(Unusable(slot.Name, damage.Message));
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                // Removed since it was listed.
            }
            catch (NataliaException failure) when (ObjectStoreReading.IsOfOneObject(failure))
            {
                keys.Add(Unusable(slot.Name, failure.Message));
            }
        }
        HashSet<string> there = new(keys.Select(k => k.KeyId), StringComparer.Ordinal);
        foreach (string lost in await FindLostAsync(core, there.Contains, cancellationToken).ConfigureAwait(false))
            keys.Add(Unusable(Layout.Keys + lost, "It is missing or a link, although the log says that it was added "
                + "and never removed."));
        return [.. keys.OrderBy(k => k.CreatedUtc ?? DateTime.MaxValue).ThenBy(k => k.KeyId, StringComparer.Ordinal)];
    }

    internal async Task<RepositoryKey> AddAsync(RepositoryPassword password, string? name,
        CancellationToken cancellationToken)
    {
        RequireEncrypted();
        RepositorySecrets secrets = core.Secrets;
        if (password.Utf8.IsEmpty)
            throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.InvalidArgument,
                "The new password is empty.", core.Options.Label);
        if (name is not null
            && (await ListAsync(cancellationToken).ConfigureAwait(false))
                .Any(k => string.Equals(k.Name, name, StringComparison.OrdinalIgnoreCase)))
            throw new NataliaException(ErrorIds.KeyNameInUse, NataliaErrorKind.AlreadyExists,
                $"A password of the repository '{core.Options.Label}' is called '{name}' already.", name,
                "Choose another name, or remove that one first.");
        // Stretching a password is slow on purpose; it must not hold up the caller's thread.
        (byte[] bytes,
            Id128 id) =
            await Task.Run(
                () => (KeySlot.Seal(secrets, password, name, settingsHash, core.Clock.UtcNow(),
                    core.Options.PasswordCost, out Id128 made), made),
            cancellationToken).ConfigureAwait(false);
        string objectName = Layout.Keys + id;
        await core.Store.PutAsync(objectName, new ObjectContent(bytes), new PutOptions { MustNotExist = true },
            cancellationToken).ConfigureAwait(false);
        try
        {
            await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
            // From what lies there, so that a password that somebody will rely on is known to open it.
            byte[] stored = await core.Store.ReadAllAsync(objectName, cancellationToken).ConfigureAwait(false);
            using RepositorySecrets? opened = await Task.Run(() => KeySlot.TryOpen(stored, password, settingsHash),
                cancellationToken).ConfigureAwait(false);
            if (opened is null || !opened.Master.AsSpan().SequenceEqual(secrets.Master))
                throw new FormatException("It does not open.");
            await RecordAsync(AuditEvents.KeyAdded, id.ToString(), name, null, cancellationToken).ConfigureAwait(false);
            Prove(id.ToString());
            return Describe(objectName, stored);
        }
        catch (Exception failure)
        {
            // A way in that the log does not know of must not stay. The attempt is bounded, and what it cannot delete
            // is told by the first error.
            using var bounded = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            await DeleteQuietlyAsync(objectName, bounded.Token).ConfigureAwait(false);
            await TakeBackQuietlyAsync(id.ToString(), name, bounded.Token).ConfigureAwait(false);
            if (failure is not FormatException) throw;
            throw new NataliaException(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData,
                $"The new key slot '{objectName}' was stored in {core.Store.Location}, but came back different: "
                + $"{failure.Message}",
                objectName,
                "The password was not added. Check the store.", failure);
        }
    }

    internal async Task RemoveAsync(string keyId, CancellationToken cancellationToken)
    {
        RequireEncrypted();
        _ = core.SigningSeed;
        IReadOnlyList<RepositoryKey> keys = await ListAsync(cancellationToken).ConfigureAwait(false);
        RepositoryKey gone = keys.FirstOrDefault(k => k.KeyId == keyId)
            ?? throw new NataliaException(ErrorIds.KeySlotNotFound, NataliaErrorKind.NotFound,
                $"The repository '{core.Options.Label}' has no key slot '{keyId}'.", keyId,
                "Get-NataliaRepositoryKey lists them.");
        List<RepositoryKey> stay = [.. keys.Where(k => k.KeyId != keyId && k.IsWhole)];
        if (stay.Count == 0)
            throw new NataliaException(ErrorIds.LastKeySlot, NataliaErrorKind.InvalidOperation,
                $"'{gone}' is the last password of the repository '{core.Options.Label}' that can be used. Without it "
                + "nobody could open the repository any more.",
                keyId,
                "Add another one first, with Add-NataliaRepositoryKey.");
        if (!stay.Exists(k => k.IsProven))
            throw new NataliaException(ErrorIds.KeySlotNotProven, NataliaErrorKind.InvalidOperation,
                $"'{gone}' is the only password of the repository '{core.Options.Label}' that this session knows to "
                + "work; whether the others open it cannot be told without them.",
                keyId,
                "Connect with a password that stays, then remove this one; or add a new one in this session first.");
        // The record first: whoever finds the slot missing must find the reason too. It also tells another session that
        // is about to remove the slot that is to stay here.
        await RecordAsync(AuditEvents.KeyRemoved, keyId, gone.Name, null, cancellationToken).ConfigureAwait(false);
        HashSet<string> going = await ReadRemovedAsync(cancellationToken).ConfigureAwait(false);
        // What nobody here has opened does not count: it may be a slot that nobody can open.
        if (!stay.Exists(k => k.IsProven && !going.Contains(k.KeyId)))
        {
            await RecordAsync(AuditEvents.KeyAdded, keyId, gone.Name,
                "The removal was called off: another session is removing the other passwords that work.",
                cancellationToken).ConfigureAwait(false);
            throw new NataliaException(ErrorIds.LastKeySlot, NataliaErrorKind.ResourceBusy,
                $"'{gone}' was not removed from the repository '{core.Options.Label}': another session is removing "
                + "the others that this one knows to work.",
                keyId, "Look at what is left, then try again.");
        }
        try
        {
            await core.Store.DeleteAsync(Layout.Keys + keyId, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException locked) when (locked.ErrorId == ErrorIds.ObjectLocked)
        {
            await RecordAsync(AuditEvents.KeyAdded, keyId, gone.Name, "The removal was called off: the slot is locked.",
                cancellationToken).ConfigureAwait(false);
            throw;
        }
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        lock (_proven) _proven.Remove(keyId);
    }

    private RepositoryKey Describe(string objectName, byte[] bytes)
    {
        string id = Layout.FileName(objectName);
        bool isProven;
        lock (_proven) isProven = _proven.Contains(id);
        var key = new RepositoryKey
        {
            KeyId = id,
            IsWhole = true,
            IsProven = isProven,
            Repository = core.Options.Label,
            RepositoryId = core.RepositoryId,
        };
        try
        {
            KeySlotHeader slot = KeySlot.Describe(bytes, settingsHash);
            return slot.Id.ToString() == id
                ? key with { CreatedUtc = slot.CreatedUtc, Name = slot.Name }
                : throw new FormatException("The key slot is not the one that its name says.");
        }
        catch (FormatException damage)
        {
            return Unusable(objectName, damage.Message);
        }
    }

    private RepositoryKey Unusable(string objectName, string damage) =>
        new()
        {
            KeyId = Layout.FileName(objectName),
            IsWhole = false,
            Damage = damage,
            Repository = core.Options.Label,
            RepositoryId = core.RepositoryId,
        };

    /// <summary>
    /// The slot that a record of <c>key-added</c> or <c>key-removed</c> names; null when it names none, or is none.
    /// </summary>
    internal static string? KeyOf(AuditRecord? record)
    {
        if (record?.Data is not string text) return null;
        using JsonDocument data = JsonDocument.Parse(text);
        return data.RootElement.ReadStringOrNull("key");
    }

    /// <summary>What can be done about a slot that is lost.</summary>
    internal const string LostRemedy = "Put back a copy of it, or let Remove-NataliaRepositoryKey -KeyId record that "
        + "it is gone.";

    /// <summary>The slots of which the newest of these records says that they were added.</summary>
    internal static IEnumerable<string> Added(IEnumerable<AuditRecord> records) =>
        Words(records.OrderBy(r => r.Number)).Where(w => w.Value).Select(w => w.Key);

    /// <summary>
    /// The slots that the log says were added and never removed, and that are not there; in a fixed order.
    /// </summary>
    /// <param name="core">The repository.</param>
    /// <param name="isThere">Which were found.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal static async Task<IReadOnlyList<string>> FindLostAsync(RepositoryCore core, Func<string, bool> isThere,
        CancellationToken cancellationToken)
    {
        List<string> lost = [];
        foreach (KeyValuePair<string, bool> word in await ReadWordsAsync(core, cancellationToken)
            .ConfigureAwait(false))
        {
            // Added since the slots were listed, perhaps.
            if (word.Value && !isThere(word.Key) && await IsLostAsync(core, word.Key, cancellationToken)
                .ConfigureAwait(false))
                lost.Add(word.Key);
        }
        if (lost.Count == 0) return lost;
        // Removed since the log was read, perhaps: the record is written before the slot goes.
        Dictionary<string, bool> again = await ReadWordsAsync(core, cancellationToken).ConfigureAwait(false);
        return [.. lost.Where(k => again.TryGetValue(k, out bool isAdded) && isAdded)
            .OrderBy(k => k, StringComparer.Ordinal)];
    }

    /// <summary>A link in its place is not the slot, and is not followed; a file that is not let be seen is
    /// there.</summary>
    private static async Task<bool> IsLostAsync(RepositoryCore core, string keyId, CancellationToken cancellationToken)
    {
        try
        {
            return await core.Store.StatAsync(Layout.Keys + keyId, cancellationToken).ConfigureAwait(false) is null;
        }
        catch (NataliaException refused) when (ObjectStoreReading.IsOfOneObject(refused))
        {
            return refused.ErrorId == ErrorIds.PathNotContained;
        }
    }

    /// <summary>The slots of which the newest record says that they are removed.</summary>
    private async Task<HashSet<string>> ReadRemovedAsync(CancellationToken cancellationToken) =>
        new((await ReadWordsAsync(core, cancellationToken).ConfigureAwait(false)).Where(w => !w.Value)
            .Select(w => w.Key), StringComparer.Ordinal);

    /// <summary>
    /// What the log says last of each slot that it names: true where it was added. A record that is damaged or not
    /// signed has no effect, and the checks of repository and log report it.
    /// </summary>
    private static async Task<Dictionary<string, bool>> ReadWordsAsync(RepositoryCore core,
        CancellationToken cancellationToken)
    {
        List<AuditName> names = await core.RepositoryLog.ListAsync(cancellationToken).ConfigureAwait(false);
        return Words((await core.RepositoryLog.ReadAllAsync(
            names.FindAll(n => n.Event is AuditEvents.KeyAdded or AuditEvents.KeyRemoved),
            cancellationToken).ConfigureAwait(false)).OfType<AuditRecord>());
    }

    /// <param name="records">In their order.</param>
    private static Dictionary<string, bool> Words(IEnumerable<AuditRecord> records)
    {
        var words = new Dictionary<string, bool>(StringComparer.Ordinal);
        foreach (AuditRecord record in records)
            if (record.Event is AuditEvents.KeyAdded or AuditEvents.KeyRemoved
                && Id128.TryParse(KeyOf(record) ?? "", out Id128 key))
                words[key.ToString()] = record.Event == AuditEvents.KeyAdded;
        return words;
    }

    private async Task RecordAsync(string what, string keyId, string? name, string? reason,
        CancellationToken cancellationToken)
    {
        await core.RepositoryLog.AppendAsync(new AuditEntry(what)
        {
            Reason = reason ?? (name is null ? null : $"The password '{name}'."),
            WriteData = json =>
            {
                json.WriteString("key", keyId);
                if (name is not null) json.WriteString("name", name);
            },
        }, core.SigningSeed, cancellationToken).ConfigureAwait(false);
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    private async Task DeleteQuietlyAsync(string objectName, CancellationToken cancellationToken)
    {
        try
        {
            await core.Store.DeleteAsync(objectName, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
        {
            // The store is away: the slot is whole and sealed with the new password. The list of keys shows it, and it
            // can be removed.
        }
    }

    /// <summary>A slot that the log says was added and that went again would look like one that somebody
    /// deleted.</summary>
    private async Task TakeBackQuietlyAsync(string keyId, string? name, CancellationToken cancellationToken)
    {
        try
        {
            if ((await ReadWordsAsync(core, cancellationToken).ConfigureAwait(false)).TryGetValue(keyId,
                    out bool isAdded) && isAdded
                && await core.Store.StatAsync(Layout.Keys + keyId, cancellationToken).ConfigureAwait(false) is null)
                await RecordAsync(AuditEvents.KeyRemoved, keyId, name, "It could not be added.",
                    cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is NataliaException or OperationCanceledException)
        {
            // The store is away: the list of keys shows the slot as one that is missing, and it can be removed there.
        }
    }

    private void RequireEncrypted()
    {
        if (core.Settings.Cipher == Cipher.None)
            throw new NataliaException(ErrorIds.RepositoryNotEncrypted, NataliaErrorKind.NotSupported,
                $"The repository '{core.Options.Label}' is not encrypted, and has no passwords.", core.Options.Label,
                "Make an encrypted repository; the encryption of one that exists cannot be changed.");
    }
}
