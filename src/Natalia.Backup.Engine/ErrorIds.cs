namespace Natalia.Backup.Engine;

/// <summary>Every error id that the product uses. An id is never reused with another meaning.</summary>
public static class ErrorIds
{
#pragma warning disable CS1591 // The comment beside each id is its documentation; about_NataliaErrors lists them for users.

    // Repository
    public const string RepositoryNotFound = nameof(RepositoryNotFound);             // the folder or bucket holds nothing
    public const string RepositoryExists = nameof(RepositoryExists);                 // New- where a repository already is
    public const string NotARepository = nameof(NotARepository);                     // a folder with something else in it
    public const string RepositoryDamaged = nameof(RepositoryDamaged);               // natalia.json or all key slots unreadable
    public const string RepositoryFormatTooNew = nameof(RepositoryFormatTooNew);     // written by a newer version of the module
    public const string WrongPassword = nameof(WrongPassword);
    public const string PasswordInvalid = nameof(PasswordInvalid);                   // not text: half of a character
    public const string PasswordRequired = nameof(PasswordRequired);                 // the session was opened without one
    public const string PasswordsDiffer = nameof(PasswordsDiffer);                   // a new password was typed twice, and not the same
    public const string PasswordNotExpected = nameof(PasswordNotExpected);           // a password for an unencrypted repository
    public const string RepositoryAmbiguous = nameof(RepositoryAmbiguous);           // several are connected and none was named
    public const string RepositoryNotConnected = nameof(RepositoryNotConnected);
    public const string RepositoryConnected = nameof(RepositoryConnected);           // a session to that storage is open
    public const string NameInUse = nameof(NameInUse);                               // a session of that name exists
    public const string LeaseHeld = nameof(LeaseHeld);                               // another run writes this appliance's part
    public const string LeaseLost = nameof(LeaseLost);                               // somebody took the lease over
    public const string RepositoryCheckFailed = nameof(RepositoryCheckFailed);       // a check of the repository as a whole found damage
    public const string AuditChainBroken = nameof(AuditChainBroken);                 // the audit log is not what was written
    public const string GraceTooShort = nameof(GraceTooShort);                       // an optimization that could take from a reader what it reads
    public const string KeySlotNotFound = nameof(KeySlotNotFound);
    public const string KeySlotAmbiguous = nameof(KeySlotAmbiguous);                 // the beginning of an id, or a name, fits several
    public const string KeySlotNotProven = nameof(KeySlotNotProven);                 // no slot that stays was opened by this session
    public const string KeyNameInUse = nameof(KeyNameInUse);                         // another key slot has that name
    public const string LastKeySlot = nameof(LastKeySlot);
    public const string RepositoryNotEncrypted = nameof(RepositoryNotEncrypted);     // it has no passwords

    // Stored objects
    public const string ObjectNotFound = nameof(ObjectNotFound);
    public const string ObjectExists = nameof(ObjectExists);                         // exclusive create lost
    public const string ObjectDamaged = nameof(ObjectDamaged);                       // envelope, checksum or seal wrong
    public const string PackMissing = nameof(PackMissing);
    public const string ManifestDamaged = nameof(ManifestDamaged);
    public const string BlockMapDamaged = nameof(BlockMapDamaged);
    public const string BlockDamaged = nameof(BlockDamaged);
    public const string DeltaDamaged = nameof(DeltaDamaged);

    public const string ManifestUnknown = nameof(ManifestUnknown);                   // what lies among the manifests, cannot be read, and no record knows
    public const string NumberExhausted = nameof(NumberExhausted);                   // a name has no room for the next number

    // Stores
    public const string StoreReadFailed = nameof(StoreReadFailed);
    public const string StoreWriteFailed = nameof(StoreWriteFailed);
    public const string StoreFull = nameof(StoreFull);
    public const string SystemLimitReached = nameof(SystemLimitReached);             // no more open files or memory for this process
    public const string StoreAccessDenied = nameof(StoreAccessDenied);
    public const string StoreUnavailable = nameof(StoreUnavailable);
    public const string StoreFileInUse = nameof(StoreFileInUse);                     // another program holds a file of the repository open for itself
    public const string ShareCredentialRefused = nameof(ShareCredentialRefused);     // a share knows no such user, or another password
    public const string ShareCredentialNotSupported = nameof(ShareCredentialNotSupported); // not a UNC path, or not on Windows
    public const string ShareUserConflict = nameof(ShareUserConflict);               // Windows is connected to that server as another user
    public const string ObjectLocked = nameof(ObjectLocked);                         // under object lock: not deletable before its date
    public const string ObjectNotLocked = nameof(ObjectNotLocked);                   // the store took a lock request but did not lock
    public const string ObjectLockNotSupported = nameof(ObjectLockNotSupported);     // a folder, or a bucket made without object lock
    public const string ObjectArchived = nameof(ObjectArchived);                     // lies in an archive class and must be thawed first
    public const string StoreThrottled = nameof(StoreThrottled);                     // the server asks for fewer requests
    public const string StoreCredentialRefused = nameof(StoreCredentialRefused);     // unknown access key, wrong secret, expired token
    public const string StoreCredentialMissing = nameof(StoreCredentialMissing);     // none was given and the SDK's own chain found none
    public const string StoreEndpointNotFound = nameof(StoreEndpointNotFound);       // the host name of an endpoint is unknown
    public const string StoreEndpointInvalid = nameof(StoreEndpointInvalid);         // something answers there, but not an S3 server
    public const string StoreSettingInvalid = nameof(StoreSettingInvalid);           // a bucket's name, region or prefix that cannot be one
    public const string StoreCredentialInvalid = nameof(StoreCredentialInvalid);     // a key or secret with what no key has: blanks, line ends
    public const string StoreRedirected = nameof(StoreRedirected);                   // the server sends requests to another host
    public const string StoreAnswerInvalid = nameof(StoreAnswerInvalid);             // against S3's own rules; another try would only hide it
    public const string ProxyAuthenticationFailed = nameof(ProxyAuthenticationFailed); // 407
    public const string ProxyInvalid = nameof(ProxyInvalid);                         // the environment names a proxy that is no address
    public const string StoreCertificateRefused = nameof(StoreCertificateRefused);   // TLS: not trusted, not the pinned one, wrong name, expired
    public const string StoreClockSkewed = nameof(StoreClockSkewed);                 // this machine's clock is too far from the server's
    public const string BucketNotFound = nameof(BucketNotFound);
    public const string BucketRegionWrong = nameof(BucketRegionWrong);
    public const string BucketWithoutObjectLock = nameof(BucketWithoutObjectLock);   // immutability was asked for, the bucket was made without it
    public const string StoreCheckFailed = nameof(StoreCheckFailed);                 // a destination does not keep what a store must promise
    public const string PathNotContained = nameof(PathNotContained);                 // a path from outside leaves its folder

    // Restore points and disks
    public const string RestorePointNotFound = nameof(RestorePointNotFound);
    public const string RestorePointAmbiguous = nameof(RestorePointAmbiguous);       // the beginning of an id fits several points
    public const string RestorePointProtected = nameof(RestorePointProtected);
    public const string ImmutabilityInvalid = nameof(ImmutabilityInvalid);           // a period or mode of locks that cannot be
    public const string ImmutabilityWithoutRetention = nameof(ImmutabilityWithoutRetention); // locks that follow the policy, and no policy
    public const string RestorePointLocked = nameof(RestorePointLocked);
    public const string RestorePointArchived = nameof(RestorePointArchived);         // what it needs lies in an archive class and must be thawed first
    public const string RestorePointInUse = nameof(RestorePointInUse);               // a restore reads it
    public const string RestorePointIsNewest = nameof(RestorePointIsNewest);         // the newest good point is never removed
    public const string CopyOntoItself = nameof(CopyOntoItself);                     // source and destination of a copy are one repository
    public const string RestorePointDamaged = nameof(RestorePointDamaged);           // verification found damage
    public const string DiskNotFound = nameof(DiskNotFound);
    public const string DiskAmbiguous = nameof(DiskAmbiguous);
    public const string DiskReadFailed = nameof(DiskReadFailed);
    public const string RestorePointMissing = nameof(RestorePointMissing);           // the log knows it, its manifest is not there
    public const string DiskEmpty = nameof(DiskEmpty);                               // an image or device of no length
    public const string DiskInUse = nameof(DiskInUse);
    public const string DiskAccessDenied = nameof(DiskAccessDenied);                 // the image may not be read by this user
    public const string QuiesceFailed = nameof(QuiesceFailed);                       // quiescing was required, and the guest did not
    public const string DiskChangedWhileRead = nameof(DiskChangedWhileRead);         // a cold image was written during the backup
    public const string DiskFormatNotSupported = nameof(DiskFormatNotSupported);
    public const string DestinationExists = nameof(DestinationExists);
    public const string DestinationWriteFailed = nameof(DestinationWriteFailed);
    public const string DestinationFull = nameof(DestinationFull);
    public const string ConfigurationNotStored = nameof(ConfigurationNotStored);

    // Hypervisors and appliances
    public const string HypervisorNotFound = nameof(HypervisorNotFound);             // the folder or host is not there
    public const string HypervisorNotConnected = nameof(HypervisorNotConnected);
    public const string HypervisorAmbiguous = nameof(HypervisorAmbiguous);
    public const string ApplianceNotFound = nameof(ApplianceNotFound);
    public const string ApplianceAmbiguous = nameof(ApplianceAmbiguous);
    public const string ApplianceDescriptionInvalid = nameof(ApplianceDescriptionInvalid);
    public const string NamePatternInvalid = nameof(NamePatternInvalid);             // neither a name that is known nor a wildcard that can be
    public const string NothingEnrolled = nameof(NothingEnrolled);                   // the list of enrolled appliances is empty, and nothing would be protected
    public const string NothingToDo = nameof(NothingToDo);                           // a pipeline brought nothing to what protects, proves or gives back
    public const string InputRefused = nameof(InputRefused);                         // a report was piped in where a point or an appliance is meant
    public const string CapabilityMissing = nameof(CapabilityMissing);
    public const string EvidenceUnavailable = nameof(EvidenceUnavailable);           // what is to be recorded cannot be, so nothing was changed
    public const string EvidenceNotRecorded = nameof(EvidenceNotRecorded);           // it was done, and no record tells

    public const string ServerUnreachable = nameof(ServerUnreachable);               // no host of the connection answers
    public const string ServerNotTrusted = nameof(ServerNotTrusted);                 // its certificate is not the one expected
    public const string AuthenticationFailed = nameof(AuthenticationFailed);
    public const string SecondFactorRequired = nameof(SecondFactorRequired);         // the account wants a one-time code
    public const string SecondFactorNotSupported = nameof(SecondFactorNotSupported); // only a key that needs a person and a browser
    public const string SessionExpired = nameof(SessionExpired);                     // and could not be renewed
    public const string PermissionDenied = nameof(PermissionDenied);                 // names the right and the path where known
    public const string ServerRefused = nameof(ServerRefused);                       // the arguments or the state are not acceptable to it
    public const string ServerError = nameof(ServerError);                           // it failed by itself
    public const string ServerAnswerInvalid = nameof(ServerAnswerInvalid);           // not what the interface promises
    public const string RequestOutcomeUnknown = nameof(RequestOutcomeUnknown);       // it may or may not have been carried out
    public const string TaskFailed = nameof(TaskFailed);
    public const string TaskNotFinished = nameof(TaskNotFinished);                   // still running when the deadline passed
    public const string TaskLost = nameof(TaskLost);                                 // its end is not known
    public const string ApplianceLocked = nameof(ApplianceLocked);                   // another operation holds the VM
    public const string ApplianceRunning = nameof(ApplianceRunning);                 // must be switched off for this
    public const string ApplianceMoved = nameof(ApplianceMoved);                     // it keeps moving between nodes
    public const string NothingWasBackedUp = nameof(NothingWasBackedUp);             // the hypervisor said yes and did nothing
    public const string DiskExcluded = nameof(DiskExcluded);                         // its own setting keeps it out of every backup
    public const string ApplianceMismatch = nameof(ApplianceMismatch);               // the point is of another VM that had the same number
    public const string StorageNotFound = nameof(StorageNotFound);
    public const string StorageNotSuitable = nameof(StorageNotSuitable);             // takes no backups, or is not active
    public const string StorageMixesKinds = nameof(StorageMixesKinds);               // whole and data-disk-only points in one place
    public const string NetworkNotFound = nameof(NetworkNotFound);
    public const string NetworkChoiceRequired = nameof(NetworkChoiceRequired);       // a copy would join the network of its original; that must be said
    public const string ApplianceNameInUse = nameof(ApplianceNameInUse);             // a VM of that name exists; a second one could not be told from it
    public const string SnapshotNotFound = nameof(SnapshotNotFound);
    public const string SnapshotNotOwn = nameof(SnapshotNotOwn);                     // somebody else's is never touched
    public const string ScheduleNotFound = nameof(ScheduleNotFound);
    public const string ScheduleNotOwn = nameof(ScheduleNotOwn);                     // somebody else's is never touched
    public const string ScheduleOmitsDisk = nameof(ScheduleOmitsDisk);               // the data disk is not in it
    public const string ReplicationNotFound = nameof(ReplicationNotFound);
    public const string ReplicationPreconditionFailed = nameof(ReplicationPreconditionFailed);
    public const string IsolationNotProven = nameof(IsolationNotProven);             // a test VM that might reach the world is not started
    public const string NotATestAppliance = nameof(NotATestAppliance);               // carries no mark of this product
    public const string NotAnUnfinishedAppliance = nameof(NotAnUnfinishedAppliance); // carries no record of that building
    public const string GuestNotReachable = nameof(GuestNotReachable);               // no agent, or it does not answer
    public const string GuestCommandTimeout = nameof(GuestCommandTimeout);
    public const string GuestCommandFailed = nameof(GuestCommandFailed);

    // Profiles
    public const string ProfileNotFound = nameof(ProfileNotFound);
    public const string ProfileInvalid = nameof(ProfileInvalid);
    public const string SecretNotResolved = nameof(SecretNotResolved);

    // Retention
    public const string RetentionPolicyMissing = nameof(RetentionPolicyMissing);
    public const string RetentionPolicyKeepsNothing = nameof(RetentionPolicyKeepsNothing);
    public const string RetentionPolicyDamaged = nameof(RetentionPolicyDamaged);     // its record is damaged, or of a newer version
    public const string RetentionPolicyInvalid = nameof(RetentionPolicyInvalid);     // a negative limit
    public const string RetentionInputInvalid = nameof(RetentionInputInvalid);       // a piped object without a usable time
    public const string RemovalNotConfirmed = nameof(RemovalNotConfirmed); // lost points are to be removed, and nobody there to ask
    public const string RetentionChangeNotConfirmed = nameof(RetentionChangeNotConfirmed); // a stricter policy, and nobody there to ask
    public const string RetentionLockConflict = nameof(RetentionLockConflict);       // a policy and locks that cannot work together
    public const string TimeZoneNotFound = nameof(TimeZoneNotFound);

    // Anything
    public const string PathNotSupported = nameof(PathNotSupported);                 // not a path of the file system, or of no file
    public const string Unexpected = nameof(Unexpected);
#pragma warning restore CS1591
}
