using System.Runtime.CompilerServices;
using Amazon.S3.Model;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

/// <summary>Lists a bucket's objects: in a versioned one the first version of each key.</summary>
internal sealed class S3Lists(S3Requests requests, S3Versions versions)
{
    /// <summary>All objects whose name begins with a prefix, in the server's order, behind a name.</summary>
    internal IAsyncEnumerable<StoredObject> ListAsync(string prefix, string? after,
        CancellationToken cancellationToken) =>
        versions.AreKept ? ListFirstVersionsAsync(prefix, after, cancellationToken)
            : ListCurrentAsync(prefix, after, cancellationToken);

    /// <summary>What a list says of one object of a plain bucket. It also tells absent from forbidden: without the
    /// right to list the whole bucket, S3 answers 403 for both.</summary>
    internal async Task<StoredObject?> FindAsync(string name, CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request
        {
            BucketName = requests.Bucket,
            Prefix = requests.Key(name),
            MaxKeys = 1
        };
        ListObjectsV2Response list = await requests.SendAsync(name, S3Call.List, requests.Meter.List, t =>
            requests.Client.ListObjectsV2Async(request, t), cancellationToken).ConfigureAwait(false);
        requests.RequireOwnList(list.Name);
        return (list.S3Objects ?? []).Find(o => o.Key == request.Prefix) is S3Object found
            ? Describe(name, found.Size, found.LastModified, found.StorageClass?.Value) : null;
    }

    internal StoredObject Describe(string name, S3ObjectVersion version) =>
        Describe(name, version.Size, version.LastModified, version.StorageClass?.Value);

    private StoredObject Describe(string name, long? size, DateTime? modified, string? storageClass) => size is >= 0
        && modified is DateTime time
        ? new StoredObject(name, size.Value, time.ToUniversalTime()) { MayNeedThaw = S3Archive.MayHold(storageClass) }
        : throw requests.WrongList($"lists '{name}' without its size or its time");

    private async IAsyncEnumerable<StoredObject> ListFirstVersionsAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListVersionsRequest
        {
            BucketName = requests.Bucket,
            Prefix = requests.Key(prefix),
            KeyMarker = after is null ? null : requests.Key(after)
        };
        S3ObjectVersion? first = null;
        var progress = new ListProgress(requests);
        while (true)
        {
            ListVersionsResponse page = await requests.SendAsync(prefix, S3Call.ListVersions, requests.Meter.List, t =>
                requests.Client.ListVersionsAsync(request, t), cancellationToken).ConfigureAwait(false);
            requests.RequireOwnList(page.Name);
            foreach (S3ObjectVersion version in page.Versions ?? [])
            {
                progress.RequireKey(version.Key, request.Prefix);
                // Newest first within a key, across pages too: the last one before the next key is the first version.
                if (first is not null && first.Key != version.Key && requests.NameOf(first.Key) is string name)
                {
                    versions.Remember(name, first.VersionId);
                    yield return Describe(name, first);
                    first = null;
                }
                if (version.IsDeleteMarker != true) first = version;
                else if (first is not null && first.Key != version.Key) first = null;
            }
            if (page.IsTruncated != true) break;
            progress.Require(page.Versions?.Count ?? 0, page.NextKeyMarker, page.NextVersionIdMarker);
            request.KeyMarker = page.NextKeyMarker;
            request.VersionIdMarker = page.NextVersionIdMarker;
        }
        if (first is not null && requests.NameOf(first.Key) is string last)
        {
            versions.Remember(last, first.VersionId);
            yield return Describe(last, first);
        }
    }

    private async IAsyncEnumerable<StoredObject> ListCurrentAsync(string prefix, string? after,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request
        {
            BucketName = requests.Bucket,
            Prefix = requests.Key(prefix),
            StartAfter = after is null ? null : requests.Key(after)
        };
        var progress = new ListProgress(requests);
        while (true)
        {
            ListObjectsV2Response page = await requests.SendAsync(prefix, S3Call.List, requests.Meter.List, t =>
                requests.Client.ListObjectsV2Async(request, t), cancellationToken).ConfigureAwait(false);
            requests.RequireOwnList(page.Name);
            foreach (S3Object item in page.S3Objects ?? [])
            {
                progress.RequireKey(item.Key, request.Prefix);
                if (requests.NameOf(item.Key) is string name)
                    yield return Describe(name, item.Size, item.LastModified, item.StorageClass?.Value);
            }
            if (page.IsTruncated != true) yield break;
            progress.Require(page.S3Objects?.Count ?? 0, page.NextContinuationToken, null);
            request.ContinuationToken = page.NextContinuationToken;
        }
    }
}

/// <summary>Each page of a list must lead further, and some must hold something: else it has no end. And it must list
/// what was asked for.</summary>
internal sealed class ListProgress(S3Requests requests)
{
    /// <summary>A server that gives so many pages without a single key, one after another, never ends.</summary>
    private const int MostEmptyPages = 100;

    private readonly HashSet<(string, string?)> _seen = [];
    private int _empty;

    internal void Require(int keys, string? next, string? nextVersion)
    {
        if (string.IsNullOrEmpty(next)) throw requests.WrongList("says that a list goes on, and not where");
        // Of a list of millions the last pages are enough: a circle comes by again.
        if (_seen.Count >= 10_000) _seen.Clear();
        if (!_seen.Add((next!, nextVersion))) throw requests.WrongList("gives the same page of a list again and again");
        _empty = keys == 0 ? _empty + 1 : 0;
        if (_empty >= MostEmptyPages)
            throw requests.WrongList($"has given {MostEmptyPages} empty pages of a list, one after another");
    }

    // Another one's objects must not be taken for the repository's, whoever says that they are listed.
    internal void RequireKey(string? key, string prefix)
    {
        if (key is null || !key.StartsWith(prefix, StringComparison.Ordinal))
            throw requests.WrongList($"lists {(key is null ? "an object without a key" : $"'{key}'")}, asked for what "
                + $"begins with '{prefix}'");
    }
}
