using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Wrappers;
using Natalia.Backup.Storage.S3;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>An S3 bucket.</summary>
internal sealed record BucketSettings : StoreSettings
{
    internal const string KindName = "S3";

    /// <inheritdoc/>
    public override string Kind => KindName;

    /// <summary>The bucket's name.</summary>
    public required string Bucket { get; init; }

    /// <summary>The server; null means AWS.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>The region, or null for the default.</summary>
    public string? Region { get; init; }

    /// <summary>Where requests name the bucket; null for Auto. What was found out takes its place.</summary>
    public S3AddressingStyle? AddressingStyle { get; init => field = value == S3AddressingStyle.Auto ? null : value; }

    /// <summary>What all keys begin with, or null.</summary>
    public string? Prefix { get; init; }

    /// <summary>The storage class of packs, or null for the bucket's default.</summary>
    public string? StorageClass { get; init; }

    /// <summary>The pinned certificate, or null.</summary>
    public string? ServerCertificateThumbprint { get; init; }

    /// <summary>
    /// The name of the secret that holds the access key and its secret; empty when one was given and it has no name
    /// yet, null when the SDK's own chain is used.
    /// </summary>
    public string? CredentialSecret { get; init; }

    /// <summary>How strong locks are; null when the repository sets none, or is still to say it.</summary>
    internal ObjectLockMode? LockMode { get; init; }

    internal override string Location =>
        "s3://" + Bucket + (string.IsNullOrEmpty(Prefix) ? "" : "/" + Prefix!.Trim('/'));

    internal override string? Server => Endpoint is { IsAbsoluteUri: true }
        ? Endpoint.GetComponents(UriComponents.SchemeAndServer | UriComponents.Path, UriFormat.UriEscaped).TrimEnd('/')
        : null;

    internal override string? LoginSecret => CredentialSecret;

    internal override string? ClassOfPacks => StorageClass;

    internal override string? Problem =>
        Endpoint is { IsAbsoluteUri: false } ? "endpoint is not an address"
        : Endpoint is not null && Endpoint.Scheme is not ("http" or "https")
            ? $"endpoint begins with {Endpoint.Scheme}:, and an S3 server is reached by https: or http:"
        : Endpoint is { UserInfo.Length: > 0 } ? "endpoint names a user, and a credentialSecret does that"
        : ServerCertificateThumbprint is string pin && !Thumbprint.IsValid(pin)
            ? "serverCertificateThumbprint is not 64 hexadecimal digits"
        : base.Problem;

    internal override RepositoryConnectionSettings WithSecrets(string? named) => this with
    {
        CredentialSecret = CredentialSecret is null ? null : LoginName(CredentialSecret, named, "-s3"),
        PasswordSecret = PasswordSecretFor(named),
    };

    internal override bool LeadsTo(RepositoryConnectionSettings other) =>
        base.LeadsTo(other) && other is BucketSettings bucket && bucket.Location == Location
        && bucket.Endpoint == Endpoint;

    internal override async Task<OpenedStore> OpenAsync(UserCredential? credential, bool isNew,
        CancellationToken cancellationToken)
    {
        S3Store store = await ConnectAsync(credential, cancellationToken).ConfigureAwait(false);
        // Auto puts the bucket into the path first; what differs was found by trying, and need not be tried again.
        bool wasFound = AddressingStyle is null && Endpoint is not null
            && store.AddressingStyle == S3AddressingStyle.Virtual;
        BucketSettings found = wasFound ? this with { AddressingStyle = S3AddressingStyle.Virtual } : this;
        return new OpenedStore(new RetryStore(store), found)
        {
            RetentionDays = store.DefaultRetentionDays,
            Settle = (mode, packs) => new RetryStore(store.With(mode, packs ?? StorageClass)),
        };
    }

    private Task<S3Store> ConnectAsync(UserCredential? credential, CancellationToken cancellationToken) =>
        S3Store.OpenAsync(new S3StoreOptions
        {
            Bucket = Bucket,
            Endpoint = Endpoint,
            Region = Region,
            AddressingStyle = AddressingStyle ?? S3AddressingStyle.Auto,
            Prefix = Prefix,
            AccessKey = credential?.UserName,
            SecretKey = credential?.Password,
            StorageClass = StorageClass,
            LockMode = LockMode,
            ServerCertificateThumbprint = ServerCertificateThumbprint,
        }, cancellationToken);
}
