using Amazon.Runtime;
using Amazon.S3;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Storage.S3.Tests;

internal static class CephAdmin
{
    private static readonly Lazy<IAmazonS3> s_client = new(() => new AmazonS3Client(
        new BasicAWSCredentials(CephServer.AccessKey, CephServer.SecretKey), new AmazonS3Config
        {
            ServiceURL = CephServer.Running.Endpoint.AbsoluteUri,
            ForcePathStyle = true,
            UseHttp = true,
            AuthenticationRegion = "us-east-1",
            RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
            ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        }));

    extension(CephServer server)
    {
        /// <summary>The SDK's own client: what an administrator, or a vandal, has.</summary>
        internal IAmazonS3 Admin => server == CephServer.Running ? s_client.Value : throw new NotSupportedException();
    }
}
