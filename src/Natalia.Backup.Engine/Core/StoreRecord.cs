using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Core;

/// <summary>
/// How a repository's objects are kept in its store, as its log says since it was made. docs/format.md §9.
/// </summary>
internal static class StoreRecord
{
    internal const string Event = "storage-set";

    internal static AuditEntry Entry(string storageClass) => new(Event)
    {
        Reason = $"Packs of blocks are put in the class {storageClass}.",
        WriteData = json => json.WriteString("storageClass", storageClass),
    };

    /// <summary>
    /// The storage class of packs of blocks; null for the store's default, also where the record cannot be read: where
    /// a pack lies is a matter of cost, and the repository's check reports the record.
    /// </summary>
    internal static async Task<string?> ReadAsync(IObjectStore store, AuditLog log, List<AuditName> names,
        CancellationToken cancellationToken)
    {
        // Only a store that has classes can have been given one.
        if (store.Find<IObjectArchive>() is null) return null;
        foreach (AuditName name in Enumerable.Reverse(names))
        {
            if (name.Event != Event) continue;
            try
            {
                using JsonDocument data =
                    JsonText.Parse(
                        System.Text.Encoding.UTF8.GetBytes(
                            (await log.ReadAsync(name, cancellationToken).ConfigureAwait(false)).Data
                            ?? "{}"));
                return data.RootElement.ReadStringOrNull("storageClass");
            }
            catch (FormatException)
            {
                // Damaged, or a name that somebody put there: another one may be the repository's own.
            }
        }
        return null;
    }
}
