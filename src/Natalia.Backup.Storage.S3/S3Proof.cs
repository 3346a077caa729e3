using System.Globalization;
using System.Security.Cryptography;
using Amazon.S3.Model;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Storage.S3;

/// <summary>Whether the server holds the bytes that it was sent.</summary>
internal sealed class S3Proof(S3Requests requests)
{
    // This server's tags are no MD5s, or there are none: found out by reading back.
    private volatile bool _tagsAreOther, _hasNoTags;

    /// <summary>
    /// Makes sure that a put's "200" means these bytes. The tag is their MD5, except of objects that the server
    /// encrypts with a managed key, and on some servers; a tag that says nothing is believed once the bytes were read
    /// back, and one that is missing once more for each put, by the length.
    /// </summary>
    internal async Task RequireStoredAsync(string name, long length, byte[] md5, PutObjectResponse response,
        CancellationToken cancellationToken)
    {
        string tag = response.ETag?.Trim('"') ?? "";
        if (tag.Equals(Hex.ToString(md5), StringComparison.OrdinalIgnoreCase)) return;
        if (tag.Length > 0)
        {
            // https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html: of objects under SSE-KMS or SSE-C the
            // tag is no MD5, and looks like one.
            bool isOther = _tagsAreOther || tag.Length != 32 || !tag.All(Uri.IsHexDigit)
                || response.ServerSideEncryptionMethod?.Value?.StartsWith("aws:kms", StringComparison.Ordinal) == true
                || response.ServerSideEncryptionCustomerMethod?.Value is { Length: > 0 };
            if (isOther) return;
        }
        try
        {
            if (tag.Length == 0 && _hasNoTags)
            {
                GetObjectMetadataResponse head = await requests.HeadAsync(name, response.VersionId,
                    cancellationToken).ConfigureAwait(false);
                if (head.ContentLength == length) return;
            }
            else if (await ReadsBackAsync(name, response.VersionId, length, md5,
                cancellationToken).ConfigureAwait(false))
            {
                if (tag.Length > 0) _tagsAreOther = true;
                else _hasNoTags = true;
                return;
            }
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectNotFound)
        {
            // Nothing is there, so another try may put it there.
            throw new NataliaException(ErrorIds.StoreWriteFailed, NataliaErrorKind.WriteFailed,
                $"The server {requests.Route.Server} says that it has stored '{name}', and does not have it.",
                $"{requests.Location}/{name}",
                "Run the operation again. If it stays so, look for a proxy or a gateway that answers in the server's "
                + "place.",
                error);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectArchived)
        {
            // An archive class gives nothing back; its length must do.
            GetObjectMetadataResponse head = await requests.HeadAsync(name, response.VersionId,
                cancellationToken).ConfigureAwait(false);
            if (head.ContentLength == length) return;
        }
        throw requests.Wrong(name,
            $"The server {requests.Route.Server} says that it has stored '{name}', and holds other bytes under that "
            + $"name than the {length.ToString(CultureInfo.InvariantCulture)} that were sent.");
    }

    /// <summary>Whether these bytes lie there; of an archive class, whether as many do.</summary>
    internal async Task<bool> HoldsAsync(string name, string? version, long length, byte[] md5,
        CancellationToken cancellationToken)
    {
        try
        {
            return await ReadsBackAsync(name, version, length, md5, cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException error) when (error.ErrorId == ErrorIds.ObjectArchived)
        {
            // Nothing is read before the length was found right.
            return true;
        }
    }

    private async Task<bool> ReadsBackAsync(string name, string? version, long length, byte[] md5,
        CancellationToken cancellationToken)
    {
        GetObjectMetadataResponse head = await requests.HeadAsync(name, version,
            cancellationToken).ConfigureAwait(false);
        if (head.ContentLength != length) return false;
        if ((head.ETag?.Trim('"') ?? "").Equals(Hex.ToString(md5), StringComparison.OrdinalIgnoreCase)) return true;
        // Of an object that the server encrypts, the tag is no MD5: then only the bytes tell.
        using Stream there = await requests.OpenReadAsync(name, version, cancellationToken).ConfigureAwait(false);
#pragma warning disable CA5351 // What the protocol has; the repository's own hashes guard against malice.
        using MD5 hash = MD5.Create();
#pragma warning restore CA5351
        byte[] buffer = new byte[128 << 10];
        for (int count; (count = await there.ReadAsync(buffer, 0, buffer.Length,
            cancellationToken).ConfigureAwait(false))
            > 0;)
            hash.TransformBlock(buffer, 0, count, null, 0);
        hash.TransformFinalBlock([], 0, 0);
        return hash.Hash.AsSpan().SequenceEqual(md5);
    }
}
