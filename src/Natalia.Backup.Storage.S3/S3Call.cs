namespace Natalia.Backup.Storage.S3;

/// <summary>
/// A kind of request: the right that it needs by AWS's names, which other servers use too, and what of.
/// </summary>
internal sealed record S3Call(string Right, bool OnBucket = false, bool Writes = false)
{
    internal static readonly S3Call List = new("s3:ListBucket", OnBucket: true);
    internal static readonly S3Call ListVersions = new("s3:ListBucketVersions", OnBucket: true);
    internal static readonly S3Call Versioning = new("s3:GetBucketVersioning", OnBucket: true);
    internal static readonly S3Call LockConfiguration = new("s3:GetBucketObjectLockConfiguration", OnBucket: true);
    internal static readonly S3Call Get = new("s3:GetObject");
    internal static readonly S3Call GetVersion = new("s3:GetObjectVersion");
    internal static readonly S3Call Put = new("s3:PutObject", Writes: true);
    internal static readonly S3Call PutLocked = new("s3:PutObject or s3:PutObjectRetention", Writes: true);
    internal static readonly S3Call Lock = new("s3:PutObjectRetention", Writes: true);
    internal static readonly S3Call Delete = new("s3:DeleteObject", Writes: true);
    internal static readonly S3Call DeleteVersion = new("s3:DeleteObjectVersion", Writes: true);
    internal static readonly S3Call Thaw = new("s3:RestoreObject", Writes: true);

    /// <summary>What the right is needed on, as a policy would name it.</summary>
    /// <param name="options">The bucket and what its keys begin with.</param>
    /// <param name="name">The object's name; null for none.</param>
    internal string Resource(S3StoreOptions options, string? name) => OnBucket
        ? $"arn:aws:s3:::{options.Bucket}"
            + (this == List || this == ListVersions
                ? options.KeyPrefix.Length + (name?.Length ?? 0) > 0
                    ? $" for the s3:prefix '{options.KeyPrefix}{name}'"
                    : ""
                : "")
        : $"arn:aws:s3:::{options.Bucket}/{options.KeyPrefix}{name}";
}
