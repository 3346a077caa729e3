using System.Globalization;
using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Keys;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repair;

/// <summary>
/// Makes a lost <c>natalia.json</c> again, bit for bit. All that it says is known elsewhere but the moment of its
/// making: the audit key from a key slot, the id from the first audit record. The moment is a little before that of the
/// first key slot and of the first record, and every slot names the file's SHA-256 under its seal: the moment that fits
/// is the right one.
/// </summary>
internal static class SettingsRebuild
{
    /// <summary>So long before the first key slot, or the first record, the file may have been made.</summary>
    private static readonly TimeSpan s_earliest = TimeSpan.FromSeconds(30);

    /// <summary>The unit of work: 10 ms.</summary>
    private const int PartTicks = 100_000;

    private const int PartsAtOnce = 16;

    /// <summary>Looks at the file, and at nothing else.</summary>
    internal static async Task<SettingsState> InspectAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        try
        {
            RepositorySettings.Decode(await store.ReadAllAsync(Layout.Settings,
                cancellationToken).ConfigureAwait(false),
                store.Location);
            return SettingsState.Whole;
        }
        catch (NataliaException missing) when (missing.ErrorId == ErrorIds.ObjectNotFound)
        {
            return SettingsState.Missing;
        }
        catch (NataliaException damage) when (damage.ErrorId is ErrorIds.RepositoryDamaged or ErrorIds.NotARepository)
        {
            return SettingsState.Damaged;
        }
        catch (FormatException)
        {
            return SettingsState.Damaged;
        }
    }

    /// <returns>How it was: it is whole now.</returns>
    /// <exception cref="NataliaException"><c>WrongPassword</c>, <c>RepositoryDamaged</c> when it cannot be made again,
    /// <c>RepositoryNotFound</c>, <c>RepositoryFormatTooNew</c>, a store error.</exception>
    internal static async Task<SettingsState> ExecuteAsync(IObjectStore store, RepositoryPassword? password,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        SettingsState state = await InspectAsync(store, cancellationToken).ConfigureAwait(false);
        if (state == SettingsState.Whole) return state;
        (RepositorySecrets secrets, KeySlotHeader slot) = await OpenSlotAsync(store, password, clock,
            cancellationToken).ConfigureAwait(false);
        using (secrets)
        {
            byte[] auditKey = Signing.PublicKey(secrets.SigningSeed);
            (Id128 id, DateTime createdUtc) = await ReadFirstRecordAsync(store, auditKey, clock,
                cancellationToken).ConfigureAwait(false)
                ?? throw Impossible(store,
                    "The record of the repository's making is missing or damaged, and with it the repository's id.");
            Cipher cipher = password is null ? Cipher.None : Cipher.Aes256Gcm;
            // The slot's own time is under its seal, but another slot may have been the first: then the first record,
            // which is signed, is a little later than the file.
            DateTime[] from = slot.CreatedUtc < createdUtc ? [slot.CreatedUtc, createdUtc] : [createdUtc];
            byte[] bytes =
                await Task.Run(
                    () => from.Select(latest => Search(id, cipher, auditKey, slot.Settings, latest, cancellationToken))
                    .FirstOrDefault(found => found is not null),
                cancellationToken).ConfigureAwait(false)
                ?? throw Impossible(store, "No moment before the making of its first key slot fits.");
            if (state == SettingsState.Damaged)
                await store.DeleteAsync(Layout.Settings, cancellationToken).ConfigureAwait(false);
            await store.PutAsync(Layout.Settings, new ObjectContent(bytes), new PutOptions { MustNotExist = true },
                cancellationToken).ConfigureAwait(false);
            await store.FlushAsync(cancellationToken).ConfigureAwait(false);
            await new AuditLog(store, null, auditKey, clock).AppendAsync(new AuditEntry(AuditEvents.Repaired)
            {
                Reason = $"{Layout.Settings} was {(state == SettingsState.Damaged ? "damaged" : "missing")}, and was "
                    + "made again from a key slot.",
            }, secrets.SigningSeed, cancellationToken).ConfigureAwait(false);
            await store.FlushAsync(cancellationToken).ConfigureAwait(false);
            return state;
        }
    }

    /// <summary>A slot that the password opens: every slot names the file's hash.</summary>
    private static async Task<(RepositorySecrets Secrets, KeySlotHeader Slot)> OpenSlotAsync(IObjectStore store,
        RepositoryPassword? password, TimeProvider clock, CancellationToken cancellationToken)
    {
        var search = new KeySlotSearch(store);
        if (await search.FindAsync(password, null, null, clock,
            cancellationToken).ConfigureAwait(false) is var (secrets, slot))
            return (secrets, slot);
        if (search.Whole > 0 && password is not null)
            throw new NataliaException(ErrorIds.WrongPassword, NataliaErrorKind.Authentication,
                $"The password is not that of the repository {store.Location}.{search.Describe()}", store.Location);
        if (search.Whole > 0)
            throw new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.Authentication,
                $"The repository {store.Location} is encrypted; without its password the file '{Layout.Settings}' "
                + "cannot be made again.",
                store.Location, "Give its -Password.");
        throw new NataliaException(ErrorIds.RepositoryDamaged, NataliaErrorKind.InvalidData,
            $"The file '{Layout.Settings}' of the repository {store.Location} cannot be made again: no file under "
            + $"'{Layout.Keys}' can be read.",
            store.Location,
            $"Put back a copy of any file under '{Layout.Keys}'. Without one nothing in the repository can be read, "
            + $"also not with a copy of '{Layout.Settings}'.");
    }

    private static async Task<(Id128 Id, DateTime TimeUtc)?> ReadFirstRecordAsync(IObjectStore store, byte[] auditKey,
        TimeProvider clock, CancellationToken cancellationToken)
    {
        var log = new AuditLog(store, null, auditKey, clock);
        foreach (AuditName name in (await log.ListAsync(cancellationToken).ConfigureAwait(false))
            .Where(n => n.Event == AuditEvents.RepositoryCreated))
        {
            try
            {
                AuditRecord record = await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                using JsonDocument data = JsonDocument.Parse(record.Data ?? "{}");
                return (data.RootElement.ReadId("repository"), record.TimeUtc);
            }
            catch (FormatException)
            {
                // Not this repository's, or damaged.
            }
        }
        return null;
    }

    private static byte[]? Search(Id128 id, Cipher cipher, byte[] auditKey, Hash256 wanted, DateTime latest,
        CancellationToken cancellationToken)
    {
        byte[]? found = null;
        for (int second = 0; second <= s_earliest.TotalSeconds && found is null; second++)
        {
            DateTime whole = new DateTime(latest.Ticks - latest.Ticks % TimeSpan.TicksPerSecond,
                DateTimeKind.Utc).AddSeconds(-second);
            byte[] template = new RepositorySettings(id, whole, cipher, auditKey).Encode();
            int at = template.AsSpan()
                .IndexOf(
                    Encoding.ASCII.GetBytes(whole.ToString("yyyy-MM-dd'T'HH:mm:ss.", CultureInfo.InvariantCulture)))
                + 20;
            int body = template.AsSpan().LastIndexOf(",\"sha256\":\""u8);
            // From the latest moment back: the right one is usually milliseconds away.
            int newest = second == 0
                ? (int)(latest.Ticks % TimeSpan.TicksPerSecond / PartTicks)
                : (int)(TimeSpan.TicksPerSecond / PartTicks) - 1;
            for (int from = newest; from >= 0 && found is null; from -= PartsAtOnce)
            {
                cancellationToken.ThrowIfCancellationRequested();
                Parallel.For(Math.Max(0, from - PartsAtOnce + 1), from + 1, part => Try(template, at, body, part));
            }
        }
        return found;

        void Try(byte[] template, int at, int body, int part)
        {
            byte[] candidate = (byte[])template.Clone();
            Span<byte> inner = stackalloc byte[Hash256.Size], outer = stackalloc byte[Hash256.Size];
            for (int tick = part * PartTicks; tick < (part + 1) * PartTicks && Volatile.Read(ref found) is null; tick++)
            {
                for (int digit = 6, rest = tick; digit >= 0; digit--, rest /= 10)
                    candidate[at + digit] = (byte)('0' + rest % 10);
                Hash256.Compute(candidate.AsSpan(0, body), inner);
                for (int i = 0; i < Hash256.Size; i++)
                {
                    candidate[body + 11 + 2 * i] = HexDigit(inner[i] >> 4);
                    candidate[body + 12 + 2 * i] = HexDigit(inner[i] & 15);
                }
                Hash256.Compute(candidate, outer);
                if (Hash256.Read(outer) == wanted) Volatile.Write(ref found, candidate);
            }
        }

        static byte HexDigit(int value) => (byte)(value < 10 ? '0' + value : 'a' + value - 10);
    }

    private static NataliaException Impossible(IObjectStore store, string why) =>
        new(ErrorIds.RepositoryDamaged, NataliaErrorKind.InvalidData,
        $"The file '{Layout.Settings}' of the repository {store.Location} cannot be made again. {why}", store.Location,
        "Put back any copy of it: it never changes after the repository was made.");
}
