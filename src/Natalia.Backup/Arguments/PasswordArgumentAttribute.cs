using System.Management.Automation;
using System.Security;

namespace Natalia.Backup.Arguments;

/// <summary>
/// Takes a password as SecureString, or as PSCredential whose user name does not matter. Never as text: it would stand
/// in the history.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class PasswordArgumentAttribute : ArgumentTransformationAttribute
{
    /// <summary>Takes the password out of a credential.</summary>
    /// <param name="engineIntrinsics">The engine; not used.</param>
    /// <param name="inputData">What the user gave.</param>
    public override object? Transform(EngineIntrinsics engineIntrinsics, object? inputData) =>
        (inputData is PSObject wrapped ? wrapped.BaseObject : inputData) switch
        {
            null => null,
            SecureString password => password,
            PSCredential credential => credential.Password,
            _ => throw new ArgumentTransformationMetadataException(
                "A password is given as SecureString or PSCredential, "
                + "never as text. Read-Host -AsSecureString asks for one."),
        };
}
