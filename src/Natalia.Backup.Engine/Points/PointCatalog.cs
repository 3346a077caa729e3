using System.Text.Json;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Points;

/// <summary>
/// Copies of manifests, many in one object, so that listing thousands of points does not take thousands of requests.
/// Derived and never needed: it tells what points there were, never which there are, and nothing is restored from it.
/// docs/format.md §11.
/// </summary>
/// <remarks>
/// Each object stands for a range of <see cref="ChunkSize"/> sequences and never changes: manifests do not either. A
/// copy counts only while the manifest itself is listed in the same length.
/// </remarks>
internal sealed class PointCatalog(RepositoryCore core, string applianceId)
{
    /// <summary>
    /// How many sequences one object stands for: so few that the newest points, which stand in none yet, are soon read
    /// one by one, and so many that 10,000 are 40 requests.
    /// </summary>
    internal const int ChunkSize = 256;

    /// <summary>
    /// An appliance from before the catalog gets it piece by piece, so that no single run pays for all of it.
    /// </summary>
    private const int ChunksAtOnce = 4;

    private string Prefix => Layout.Appliance(applianceId) + "catalog/points-";

    /// <summary>A manifest's copy.</summary>
    /// <param name="Manifest">What it says.</param>
    /// <param name="Length">The manifest object's length, in bytes.</param>
    internal readonly record struct Entry(PointManifest Manifest, long Length);

    /// <summary>The range of sequences that a sequence belongs to.</summary>
    internal static long ChunkOf(long sequence) => sequence / ChunkSize;

    /// <summary>
    /// The ranges that there is an object for, with their names. A name that is not one of ours is left out.
    /// </summary>
    internal async Task<ILookup<long, string>> ListAsync(CancellationToken cancellationToken)
    {
        var found = new List<(long Chunk, string Name)>();
        await foreach (StoredObject item in core.Store.ListAsync(Prefix, cancellationToken).ConfigureAwait(false))
        {
            if (item.Name.Length == Prefix.Length + 45
                && Layout.TryParseNumber(item.Name.Substring(Prefix.Length, 12), out long chunk))
                found.Add((chunk, item.Name));
        }
        return found.ToLookup(f => f.Chunk, f => f.Name);
    }

    /// <summary>
    /// The copies in one object; none when it is gone, damaged or not to be read: then the manifests themselves are
    /// read.
    /// </summary>
    internal async Task<IReadOnlyList<Entry>> ReadAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            byte[] bytes = await core.Store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false);
            Envelope envelope = SmallObject.Check(bytes, ObjectKind.Catalog);
            using JsonDocument header = JsonText.Parse(envelope.Header);
            if (header.RootElement.ReadString("appliance") != applianceId)
                throw new FormatException("It belongs to another appliance.");
            var entries = new List<Entry>();
            using JsonDocument body = JsonText.Parse(SmallObject.OpenSegment(bytes, envelope, 0, core.Keys));
            foreach (JsonElement point in body.RootElement.ReadArray("points"))
            {
                if (!point.TryGet("header", out JsonElement head) || !point.TryGet("body", out JsonElement sealedPart))
                    throw new FormatException("A copy of a manifest is not whole.");
                var run = new Run(head.ReadLong("sequence"), head.ReadId("run"));
                entries.Add(new Entry(PointManifest.Decode(head, sealedPart, applianceId, run),
                    point.ReadLong("length")));
            }
            return entries;
        }
        catch (FormatException)
        {
            return [];
        }
        catch (NataliaException gone) when (gone.ErrorId is ErrorIds.ObjectNotFound or ErrorIds.StoreReadFailed)
        {
            return [];
        }
    }

    /// <summary>
    /// Writes the objects of ranges that are over and have none yet, and deletes those of ranges without any point.
    /// Called with the lease held, or by whoever may be one of several: two objects of one range do no harm.
    /// </summary>
    /// <param name="manifests">Reads the manifests.</param>
    /// <param name="runs">All that there are, ascending.</param>
    /// <param name="atMost">How many objects to write; the others come another time.</param>
    /// <param name="lost">The sequences of points that were not removed, and whose manifests are missing: a repair
    /// makes them again from what stands here. Null where that is not known; then nothing is deleted.</param>
    internal async Task UpdateAsync(ManifestReader manifests, IReadOnlyList<Run> runs, int atMost,
        IReadOnlyCollection<long>? lost, CancellationToken cancellationToken)
    {
        if (runs.Count < ChunkSize / 4 && lost is null || runs.Count == 0) return;
        ILookup<long, string> existing = await ListAsync(cancellationToken).ConfigureAwait(false);
        long open = ChunkOf(runs[runs.Count - 1].Sequence);
        ILookup<long, Run> chunks = runs.ToLookup(r => ChunkOf(r.Sequence));
        int written = 0;
        foreach (IGrouping<long, Run> chunk in chunks.OrderByDescending(c => c.Key))
        {
            // A few manifests are as soon read as a catalog of them.
            if (chunk.Key == open || existing.Contains(chunk.Key) || chunk.Count() < ChunkSize / 8) continue;
            if (written++ == atMost) break;
            await WriteAsync(manifests, chunk.Key, [.. chunk], cancellationToken).ConfigureAwait(false);
        }
        if (lost is null) return;
        var needed = new HashSet<long>(lost.Select(ChunkOf));
        foreach (IGrouping<long, string> stale in existing
            .Where(e => !chunks.Contains(e.Key) && !needed.Contains(e.Key)))
        {
            foreach (string name in stale) await core.Store.DeleteAsync(name, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// As <see cref="UpdateAsync"/>, after a backup: only now and then, because each look costs a request.
    /// </summary>
    internal Task UpdateAfterAsync(ManifestReader manifests, IReadOnlyList<Run> runs,
        CancellationToken cancellationToken) =>
        runs.Count > 0 && runs[runs.Count - 1].Sequence % (ChunkSize / 8) == 0
            ? UpdateAsync(manifests, runs, ChunksAtOnce, null, cancellationToken)
            : Task.CompletedTask;

    private async Task WriteAsync(ManifestReader manifests, long chunk, IReadOnlyList<Run> runs,
        CancellationToken cancellationToken)
    {
        var points = new List<(PointManifest Manifest, long Length)>();
        foreach ((Run run, PointManifest? manifest, _) in await manifests.ReadAllAsync(applianceId, runs,
            fromCatalog: false, cancellationToken).ConfigureAwait(false))
        {
            if (manifest is not null && !manifest.Incomplete && manifests.LengthOf(applianceId, run) is long length)
                points.Add((manifest, length));
        }
        byte[] header = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteString("appliance", applianceId);
            json.WriteEndObject();
        });
        byte[] body = JsonText.Write(json =>
        {
            json.WriteStartObject();
            json.WriteStartArray("points");
            foreach ((PointManifest manifest, long length) in points)
            {
                json.WriteStartObject();
                json.WriteNumber("length", length);
                json.WritePropertyName("header");
                json.WriteRawValue(manifest.EncodeHeader());
                json.WritePropertyName("body");
                json.WriteRawValue(manifest.EncodeBody());
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        });
        Id128 id = Id128.NewRandom();
        EncodedObject encoded = SmallObject.Encode(ObjectKind.Catalog, id, header, [body], core.Keys);
        // Derived, so never locked.
        await core.Store.PutAsync(Prefix + Layout.Number(chunk) + "-" + id, encoded.Content,
            new PutOptions { Class = ObjectClass.Transient }, cancellationToken).ConfigureAwait(false);
    }
}
