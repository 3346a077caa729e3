using Amazon.Runtime.Endpoints;

namespace Natalia.Backup.Storage.S3;

/// <summary>
/// Tells the SDK where the bucket is. Its own rules put some names into the path and others into the host without
/// saying which; here it is one address that was chosen, and tried.
/// </summary>
internal sealed class S3EndpointProvider(string region) : IEndpointProvider
{
    private readonly string _attributes =
        $$"""{"authSchemes":[{"disableDoubleEncoding":true,"name":"sigv4","signingName":"s3","signingRegion":"{{region}}"}]}""";

    internal S3Address? Address { get; set; }

    public Endpoint ResolveEndpoint(EndpointParameters parameters) => new(Address!.Url, _attributes, "{}");
}
