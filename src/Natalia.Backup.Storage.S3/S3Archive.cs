using Amazon.Runtime;
using Amazon.S3.Model;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

/// <summary>Objects in archive classes: which those are, whether an object lies in one, and asking for its
/// thaw.</summary>
internal sealed class S3Archive(S3Requests requests, S3Versions versions, string? storageClass) : IObjectArchive
{
    /// <summary>What lies in a class must be thawed before it is read. Of GLACIER_IR it need not, in spite of its
    /// name.</summary>
    internal static bool IsArchive(string? storageClass) => storageClass is "GLACIER" or DeepArchive;

    /// <summary>What lies in a class may have to be thawed: of INTELLIGENT_TIERING only the object itself can
    /// tell.</summary>
    internal static bool MayHold(string? storageClass) => IsArchive(storageClass)
        || storageClass == "INTELLIGENT_TIERING";

    private const string DeepArchive = "DEEP_ARCHIVE";

    public bool HoldsNewPacks => IsArchive(storageClass);

    // INTELLIGENT_TIERING has a deep tier, too.
    public TimeSpan UsualThawTime => TimeSpan.FromHours(storageClass == "GLACIER" ? 5 : 12);

    public async Task<ThawState> GetThawStateAsync(string name, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        GetObjectMetadataResponse head = await versions.HeadFirstAsync(name, cancellationToken).ConfigureAwait(false);
        if (head.RestoreInProgress == true) return ThawState.Thawing;
        // A thawed copy shows when it ends.
        bool archived = IsArchive(head.StorageClass?.Value) || head.ArchiveStatus?.Value is { Length: > 0 };
        return archived && head.RestoreExpiration is null ? ThawState.Archived : ThawState.Readable;
    }

    public async Task RequestThawAsync(string name, int days, CancellationToken cancellationToken)
    {
        Engine.Storage.ObjectName.Require(name);
        if (days < 1) throw new ArgumentOutOfRangeException(nameof(days));
        await versions.AtFirstAsync(name, async version =>
        {
            GetObjectMetadataResponse head = await requests.HeadAsync(name, version,
                cancellationToken).ConfigureAwait(false);
            var request = new RestoreObjectRequest
            {
                BucketName = requests.Bucket,
                Key = requests.Key(name),
                VersionId = version,
            };
            // What INTELLIGENT_TIERING has archived comes back for good, and AWS refuses to be told for how long.
            if (head.ArchiveStatus?.Value is not { Length: > 0 }) request.Days = days;
            try
            {
                return await requests.SendAsync(name, S3Call.Thaw, () => requests.Meter.Put(0), t =>
                    requests.Client.RestoreObjectAsync(request, t), cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException error)
                when (error.InnerException is AmazonServiceException { ErrorCode: "RestoreAlreadyInProgress" })
            {
                return null;
            }
        }, cancellationToken).ConfigureAwait(false);
    }
}
