"""AWS as moto plays it: a server that knows the instances, roles, accounts and clusters of one scenario.

Reads the scenario (JSON) from its first argument, prints the address it listens on.
IDs of instances are given, not drawn: they are those of documents that AWS signed once.
"""

import json
import signal
import sys

import boto3
from moto.ec2.models import ec2_backends
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

DEFAULT_ACCOUNT = "123456789012"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


class Aws:
    def __init__(self, endpoint):
        self.endpoint = endpoint

    def client(self, service, region="us-east-1", account=DEFAULT_ACCOUNT):
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        if account != DEFAULT_ACCOUNT:
            role = f"arn:aws:iam::{account}:role/scenario"
            sts = boto3.client("sts", region_name=region, endpoint_url=self.endpoint, **keys)
            got = sts.assume_role(RoleArn=role, RoleSessionName="scenario")["Credentials"]
            keys = {
                "aws_access_key_id": got["AccessKeyId"],
                "aws_secret_access_key": got["SecretAccessKey"],
                "aws_session_token": got["SessionToken"],
            }
        return boto3.client(service, region_name=region, endpoint_url=self.endpoint, **keys)

    def add_instance(self, wanted):
        account, region = wanted["accountId"], wanted["region"]
        profile = wanted.get("profile")
        if profile:
            iam = self.client("iam", region, account)
            iam.create_instance_profile(InstanceProfileName=profile, Path="/team/")
            for role in wanted["roles"]:
                iam.create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
                iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)
        ec2 = self.client("ec2", region, account)
        group = f"of-{wanted['instanceId']}"
        made_group = ec2.create_security_group(GroupName=group, Description=group)
        made = ec2.run_instances(
            SecurityGroupIds=[made_group["GroupId"]],
            ImageId=wanted["imageId"],
            MinCount=1,
            MaxCount=1,
            **({"IamInstanceProfile": {"Name": profile}} if profile else {}),
        )
        backend = ec2_backends[account][region]
        drawn = made["Instances"][0]["InstanceId"]
        instance = backend.get_instance(drawn)
        instance.id = wanted["instanceId"]
        tags = [{"Key": key, "Value": value} for key, value in wanted.get("tags", {}).items()]
        if tags:
            ec2.create_tags(Resources=[instance.id], Tags=tags)
        if wanted.get("state") == "stopped":
            ec2.stop_instances(InstanceIds=[instance.id])
        return made_group["GroupId"]

    def add_organization(self, accounts):
        organizations = self.client("organizations")
        organizations.create_organization(FeatureSet="ALL")
        made = {}
        for name in accounts:
            status = organizations.create_account(AccountName=name, Email=f"{name}@example.org")
            made[name] = status["CreateAccountStatus"]["AccountId"]
        for name in accounts:
            if accounts[name] == "closed":
                organizations.close_account(AccountId=made[name])
        return made

    def add_cluster(self, wanted):
        account, region = wanted["accountId"], wanted["region"]
        eks = self.client("eks", region, account)
        scaling = self.client("autoscaling", region, account)
        role = f"arn:aws:iam::{account}:role/cluster"
        eks.create_cluster(name=wanted["name"], roleArn=role, resourcesVpcConfig={})
        members = {}
        for group in wanted["nodegroups"]:
            made = eks.create_nodegroup(
                clusterName=wanted["name"], nodegroupName=group, nodeRole=role, subnets=["subnet-1"]
            )["nodegroup"]
            for auto in made["resources"]["autoScalingGroups"]:
                scaling.create_launch_configuration(
                    LaunchConfigurationName=auto["name"], ImageId="ami-12c6146b", InstanceType="t3.micro"
                )
                scaling.create_auto_scaling_group(
                    AutoScalingGroupName=auto["name"],
                    LaunchConfigurationName=auto["name"],
                    MinSize=1,
                    MaxSize=2,
                    DesiredCapacity=2,
                    AvailabilityZones=[f"{region}a"],
                )
                found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[auto["name"]])
                instances = found["AutoScalingGroups"][0]["Instances"]
                members[group] = [one["InstanceId"] for one in instances]
        return members


def main():
    scenario = json.loads(sys.argv[1])
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = Aws(f"http://{host}:{port}")
    told = {"endpoint": aws.endpoint, "groups": {}}
    for wanted in scenario.get("instances", []):
        told["groups"][wanted["instanceId"]] = aws.add_instance(wanted)
    if "accounts" in scenario:
        told["accounts"] = aws.add_organization(scenario["accounts"])
    if "cluster" in scenario:
        told["members"] = aws.add_cluster(scenario["cluster"])
    print("AWS " + json.dumps(told), flush=True)
    signal.pause()


main()
