using System.Runtime.CompilerServices;
using Amazon.S3.Model;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

public sealed partial class S3Store
{
    /// <summary>A server that gives so many pages without a single key, one after another, never ends.</summary>
    private const int MostEmptyPages = 100;

    /// <summary>All versions and delete markers of one key, newest first, as the server orders them.</summary>
    private async Task<List<S3ObjectVersion>> VersionsAsync(string name, CancellationToken cancellationToken)
    {
        var found = new List<S3ObjectVersion>();
        // Other keys that begin with the name come behind it, so that a short page is mostly all.
        var request = new ListVersionsRequest { BucketName = _options.Bucket, Prefix = Key(name), MaxKeys = 10 };
        var progress = new Progress(this);
        while (true)
        {
            ListVersionsResponse page = await SendAsync(name, S3Call.ListVersions, Meter.List, t => _client.ListVersionsAsync(request, t), cancellationToken).ConfigureAwait(false);
            RequireOwnList(page.Name);
            List<S3ObjectVersion> versions = page.Versions ?? [];
            foreach (S3ObjectVersion version in versions) RequireKey(version.Key, request.Prefix);
            found.AddRange(versions.Where(v => v.Key == Key(name)));
            if (page.IsTruncated != true || versions.Exists(v => v.Key != Key(name))) return found;
            progress.Require(versions.Count, page.NextKeyMarker, page.NextVersionIdMarker);
            request.KeyMarker = page.NextKeyMarker;
            request.VersionIdMarker = page.NextVersionIdMarker;
            request.MaxKeys = 1000;
        }
    }

    private async IAsyncEnumerable<StoredObject> ListFirstVersionsAsync(string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListVersionsRequest { BucketName = _options.Bucket, Prefix = Key(prefix), KeyMarker = after is null ? null : Key(after) };
        S3ObjectVersion? first = null;
        var progress = new Progress(this);
        while (true)
        {
            ListVersionsResponse page = await SendAsync(prefix, S3Call.ListVersions, Meter.List, t => _client.ListVersionsAsync(request, t), cancellationToken).ConfigureAwait(false);
            RequireOwnList(page.Name);
            foreach (S3ObjectVersion version in page.Versions ?? [])
            {
                RequireKey(version.Key, request.Prefix);
                // Newest first within a key, across pages too: the last one before the next key is the first version.
                if (first is not null && first.Key != version.Key && NameOf(first.Key) is string name)
                {
                    _firstVersions.Add(name, first.VersionId);
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
        if (first is not null && NameOf(first.Key) is string last)
        {
            _firstVersions.Add(last, first.VersionId);
            yield return Describe(last, first);
        }
    }

    private async IAsyncEnumerable<StoredObject> ListCurrentAsync(string prefix, string? after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var request = new ListObjectsV2Request { BucketName = _options.Bucket, Prefix = Key(prefix), StartAfter = after is null ? null : Key(after) };
        var progress = new Progress(this);
        while (true)
        {
            ListObjectsV2Response page = await SendAsync(prefix, S3Call.List, Meter.List, t => _client.ListObjectsV2Async(request, t), cancellationToken).ConfigureAwait(false);
            RequireOwnList(page.Name);
            foreach (S3Object item in page.S3Objects ?? [])
            {
                RequireKey(item.Key, request.Prefix);
                if (NameOf(item.Key) is string name) yield return Describe(name, item.Size, item.LastModified, item.StorageClass?.Value);
            }
            if (page.IsTruncated != true) yield break;
            progress.Require(page.S3Objects?.Count ?? 0, page.NextContinuationToken, null);
            request.ContinuationToken = page.NextContinuationToken;
        }
    }

    // Another one's objects must not be taken for the repository's, whoever says that they are listed.
    private void RequireKey(string? key, string prefix)
    {
        if (key is null || !key.StartsWith(prefix, StringComparison.Ordinal)) throw WrongList($"lists {(key is null ? "an object without a key" : $"'{key}'")}, asked for what begins with '{prefix}'");
    }

    private NataliaException WrongList(string what, string? advice = null) => S3Errors.Wrong(_options, _route, null, $"The server {_route.Server} {DisplayText.CleanLine(what)}.", advice);

    /// <summary>Each page must lead further, and some must hold something: else a list has no end.</summary>
    private sealed class Progress(S3Store store)
    {
        private readonly HashSet<(string, string?)> _seen = [];
        private int _empty;

        internal void Require(int keys, string? next, string? nextVersion)
        {
            if (string.IsNullOrEmpty(next)) throw store.WrongList("says that a list goes on, and not where");
            // Of a list of millions the last pages are enough: a circle comes by again.
            if (_seen.Count >= 10_000) _seen.Clear();
            if (!_seen.Add((next!, nextVersion))) throw store.WrongList("gives the same page of a list again and again");
            _empty = keys == 0 ? _empty + 1 : 0;
            if (_empty >= MostEmptyPages) throw store.WrongList($"has given {MostEmptyPages} empty pages of a list, one after another");
        }
    }
}
