using System.Collections.Concurrent;
using Amazon.S3.Model;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

/// <summary>
/// Which version of a key is the object. In a bucket that keeps versions it is the first one, whatever came after it;
/// delete markers count for nothing. In a plain bucket there is none to choose. Thread-safe.
/// </summary>
internal sealed class S3Versions(S3Requests requests, bool isVersioned)
{
    private readonly FirstVersions _first = new();

    // Names whose put ended without a clear answer: it may have made a version all the same.
    private readonly ConcurrentDictionary<string, bool> _unclear = new(StringComparer.Ordinal);

    /// <summary>True when the bucket keeps old versions.</summary>
    internal bool AreKept => isVersioned;

    /// <summary>A put of this name ended without a clear answer.</summary>
    internal void Doubt(string name)
    {
        if (isVersioned) _unclear[name] = true;
    }

    /// <summary>Takes note of what a put made.</summary>
    /// <returns>The version that counts, and whose lock counts: the first one. An earlier attempt may have made
    /// it.</returns>
    internal async Task<string> NoteAsync(string name, string made, PutOptions options,
        CancellationToken cancellationToken)
    {
        string version = made;
        if (_unclear.TryRemove(name, out _))
            version = First(await ListAsync(name, cancellationToken).ConfigureAwait(false))?.VersionId ?? made;
        // Writers fight for such names, so which version is first there must be asked each time.
        if (options is { Class: not ObjectClass.Transient, MustNotExist: false }) Remember(name, version);
        return version;
    }

    /// <summary>What a list told.</summary>
    internal void Remember(string name, string version) => _first.Add(name, version);

    internal void Forget(string name) => _first.Forget(name);

    /// <summary>The version that is the object; null when there is none.</summary>
    internal async Task<S3ObjectVersion?> FindAsync(string name, CancellationToken cancellationToken) =>
        First(await ListAsync(name, cancellationToken).ConfigureAwait(false));

    /// <summary>All versions and delete markers of one key, newest first, as the server orders them.</summary>
    internal async Task<List<S3ObjectVersion>> ListAsync(string name, CancellationToken cancellationToken)
    {
        var found = new List<S3ObjectVersion>();
        // Other keys that begin with the name come behind it, so that a short page is mostly all.
        var request = new ListVersionsRequest
        {
            BucketName = requests.Bucket,
            Prefix = requests.Key(name),
            MaxKeys = 10
        };
        var progress = new ListProgress(requests);
        while (true)
        {
            ListVersionsResponse page = await requests.SendAsync(name, S3Call.ListVersions, requests.Meter.List, t =>
                requests.Client.ListVersionsAsync(request, t), cancellationToken).ConfigureAwait(false);
            requests.RequireOwnList(page.Name);
            List<S3ObjectVersion> versions = page.Versions ?? [];
            foreach (S3ObjectVersion version in versions) progress.RequireKey(version.Key, request.Prefix);
            found.AddRange(versions.Where(v => v.Key == request.Prefix));
            if (page.IsTruncated != true || versions.Exists(v => v.Key != request.Prefix)) return found;
            progress.Require(versions.Count, page.NextKeyMarker, page.NextVersionIdMarker);
            request.KeyMarker = page.NextKeyMarker;
            request.VersionIdMarker = page.NextVersionIdMarker;
            request.MaxKeys = 1000;
        }
    }

    /// <summary>Does something with the version of an object that counts; with null on a plain bucket. What was
    /// remembered and turns out wrong is asked for once more.</summary>
    internal async Task<T> AtFirstAsync<T>(string name, Func<string?, Task<T>> work,
        CancellationToken cancellationToken)
    {
        if (!isVersioned)
        {
            try
            {
                return await work(null).ConfigureAwait(false);
            }
            catch (NataliaException error) when (error.ErrorId == ErrorIds.StoreAccessDenied)
            {
                if (await new S3Lists(requests, this).FindAsync(name, cancellationToken).ConfigureAwait(false) is null)
                    throw requests.NotFound(name);
                throw;
            }
        }
        if (_first.Find(name) is string known)
        {
            try
            {
                return await work(known).ConfigureAwait(false);
            }
            catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectNotFound)
            {
                // Another machine deleted it.
                _first.Forget(name);
            }
        }
        return await work((await FindAsync(name, cancellationToken).ConfigureAwait(false)
            ?? throw requests.NotFound(name)).VersionId).ConfigureAwait(false);
    }

    internal Task<GetObjectMetadataResponse> HeadFirstAsync(string name, CancellationToken cancellationToken) =>
        AtFirstAsync(name, version => requests.HeadAsync(name, version, cancellationToken), cancellationToken);

    private static S3ObjectVersion? First(List<S3ObjectVersion> versions) =>
        versions.FindLast(v => v.IsDeleteMarker != true);
}
