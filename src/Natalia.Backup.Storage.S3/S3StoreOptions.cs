using System.Net;
using System.Security;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Storage.S3;

/// <summary>Which bucket, where, with what rights, and how objects are kept there.</summary>
public sealed record S3StoreOptions
{
    /// <summary>The bucket's name. The bucket must exist.</summary>
    public required string Bucket { get; init; }

    /// <summary>
    /// The server: <c>https://host[:port]</c>. Null means AWS. A plain <c>http</c> address works; what travels then can
    /// be read on the way where the repository itself is not encrypted.
    /// </summary>
    public Uri? Endpoint { get; init; }

    /// <summary>
    /// The region, such as <c>eu-west-3</c>. Null takes <c>AWS_REGION</c> where AWS is meant, else <c>us-east-1</c>,
    /// which most other servers do not look at.
    /// </summary>
    public string? Region { get; init; }

    /// <summary>
    /// Where requests name the bucket. With <see cref="Endpoint"/> null, Auto and Virtual are the same.
    /// </summary>
    public S3AddressingStyle AddressingStyle { get; init; }

    /// <summary>
    /// What all keys begin with, without slashes at its ends; null or empty for the bucket's root. Several repositories
    /// may share a bucket under different prefixes.
    /// </summary>
    public string? Prefix { get; init; }

    /// <summary>
    /// The access key. Null, together with <see cref="SecretKey"/>, takes the SDK's own chain: environment, profile,
    /// role of the machine.
    /// </summary>
    public string? AccessKey { get; init; }

    /// <summary>
    /// The secret that belongs to the access key. Stays the caller's; it is read once, when the store is opened.
    /// </summary>
    public SecureString? SecretKey { get; init; }

    /// <summary>
    /// The storage class of packs, such as <c>STANDARD_IA</c> or <c>DEEP_ARCHIVE</c>; null for the bucket's default.
    /// Everything else always lies in the default class, so that it is read without a thaw.
    /// </summary>
    public string? StorageClass { get; init; }

    /// <summary>
    /// How strong locks are to be. Null: the store sets none. Else the bucket must have been made with object lock.
    /// </summary>
    public ObjectLockMode? LockMode { get; init; }

    /// <summary>
    /// The SHA-256 fingerprint of the server's certificate, 64 hexadecimal digits (colons and blanks are ignored). When
    /// given, exactly this certificate is trusted and no other.
    /// </summary>
    public string? ServerCertificateThumbprint { get; init; }

    /// <summary>
    /// How long a request may make no progress before it counts as broken. Not a limit of its whole duration. More than
    /// zero. Less than 64 KiB in a minute counts as broken, too.
    /// </summary>
    public TimeSpan StallTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>The place, without secrets.</summary>
    public override string ToString() => Location;

    /// <summary>Opens the connection to a server; null for the usual way. For tests that give a name a place.</summary>
    internal Func<string, int, CancellationToken, Task<Stream>>? Connect { get; init; }

    /// <summary>How long opening a connection may take, where the platform lets that be limited.</summary>
    internal TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The proxy; null for the one that environment and system name.</summary>
    internal IWebProxy? Proxy { get; init; }

    internal string Location => $"s3://{Bucket}{(KeyPrefix.Length == 0 ? "" : "/" + KeyPrefix.TrimEnd('/'))}";

    internal string KeyPrefix => Prefix?.Trim('/') is { Length: > 0 } prefix ? prefix + "/" : "";
}
