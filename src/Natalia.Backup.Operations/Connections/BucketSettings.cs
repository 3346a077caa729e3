using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Storage.S3;

namespace Natalia.Backup.Operations.Connections;

/// <summary>Where a bucket is and how objects are kept in it, without secrets.</summary>
internal sealed record BucketSettings
{
    /// <summary>The bucket's name.</summary>
    public required string Bucket { get; init; }
    /// <summary>The server; null means AWS.</summary>
    public Uri? Endpoint { get; init; }
    /// <summary>The region, or null for the default.</summary>
    public string? Region { get; init; }
    /// <summary>Where requests name the bucket; what was found out takes the place of Auto.</summary>
    public Storage.S3.S3AddressingStyle AddressingStyle { get; init; }
    /// <summary>What all keys begin with, or null.</summary>
    public string? Prefix { get; init; }
    /// <summary>The storage class of packs, or null for the bucket's default.</summary>
    public string? StorageClass { get; init; }
    /// <summary>The pinned certificate, or null.</summary>
    public string? ServerCertificateThumbprint { get; init; }
    /// <summary>How strong locks are; null when the repository sets none.</summary>
    public Engine.Storage.ObjectLockMode? LockMode { get; init; }
    /// <summary>The name of the secret that holds the access key and its secret; empty when one was given and it has no name yet, null when the SDK's own chain is used.</summary>
    public string? CredentialSecret { get; init; }

    /// <summary>As a person would write it.</summary>
    public override string ToString() => "s3://" + Bucket + (string.IsNullOrEmpty(Prefix) ? "" : "/" + Prefix!.Trim('/'));
}
